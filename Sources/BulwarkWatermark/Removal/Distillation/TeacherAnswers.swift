import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Synchronization

/// What a stolen model answers on the attacker's images, asked once and kept for every attack.
///
/// It is asked on the images as they are, or in fixed random views: view v of image i is the same
/// pixels in every epoch v, v + K, ... of every attack, so that K passes of the stolen model serve all
/// of them. Without this each step of each attack would ask it again.
public final class TeacherAnswers: Sendable {
  private struct State {
    var logits: [String: Tensor] = [:]
    var passes = 0
    var omittedSeconds = 0.0
  }

  private let key: RandomKey
  private let sampleSize: Int?
  private let state = Mutex(State())

  /// Answers in views drawn from `key`.
  ///
  /// - Parameters:
  ///   - key: of the views.
  ///   - sampleSize: where only time is to be estimated: so many images are asked about, and their answers stand
  ///     for those to all others. nil asks about every image.
  public init(key: RandomKey, sampleSize: Int? = nil) {
    self.key = key
    self.sampleSize = sampleSize
  }

  /// What it would have taken to ask about the images that a sample stood for, in seconds.
  public var omittedSeconds: Double { state.withLock { $0.omittedSeconds } }

  /// How often the stolen model was asked about a whole data set.
  public var passes: Int { state.withLock { $0.passes } }

  /// Logits of the stolen model on every image, in evaluation mode.
  ///
  /// - Parameters:
  ///   - teacher: the stolen model.
  ///   - digest: its `weightDigest()`.
  ///   - images: the attacker's.
  ///   - views: the fixed random views, or nil for the images as they are.
  ///   - view: which of them.
  ///   - normalization: how pixels become input.
  ///   - server: what changes answers before the thief gets them; nil for nothing.
  ///   - session: device and precision.
  /// - Returns: [N, classes], float32, CPU; a server's are logarithms of probabilities.
  /// - Throws: `TensorError`.
  func logits(
    of teacher: ImageClassifier, digest: String, on images: ImageDataset, in views: FixedViews?,
    view: Int, _ normalization: Normalize, through server: CosineChange? = nil,
    session: TrainingSession
  ) throws -> Tensor {
    let identity = JSONValue.array([
      .string(digest), .string(try images.fingerprint),
      try views.map { try JSONValue(encoding: $0.steps) } ?? .null, .int(views == nil ? 0 : view),
      .array(normalization.mean.map { .double(Double($0)) }),
      .array(normalization.deviation.map { .double(Double($0)) }),
      .string(session.precision.rawValue), .string(server?.identity ?? ""),
    ])
    let name = try identity.text()
    if let known = state.withLock({ $0.logits[name] }) { return known }
    session.tell(.stage(name: "teacher_answers", step: 0, steps: images.count))
    let asked = min(sampleSize ?? images.count, images.count)
    let sample = try asked < images.count ? images.subset(Array(0..<asked)) : images
    let begin = ContinuousClock.now
    var answers = try teacher.logits(of: sample, normalization, through: server, session: session) {
      pixels, batch in
      guard let views else { return try normalization.prepare(pixels, on: session.device) }
      let start = 256 * batch
      return try views.input(
        pixels, indices: Array(start..<start + pixels.shape[0]), view: view, on: session.device)
    }
    var omitted = 0.0
    if asked < images.count {
      let share = Double(images.count - asked) / Double(asked)
      omitted = (ContinuousClock.now - begin) / .seconds(1) * share
      answers = try answers.indexSelect(0, Tensor((0..<images.count).map { $0 % asked }))
    }
    state.withLock {
      $0.logits[name] = answers
      $0.passes += 1
      $0.omittedSeconds += omitted
    }
    return answers
  }

  /// Forgets everything, which frees the memory: 4 · N · classes bytes a view.
  public func removeAll() { state.withLock { $0.logits = [:] } }

  /// The views in which these images are asked about.
  ///
  /// - Throws: `TensorError`.
  func views(
    _ steps: [AugmentationStep], _ normalization: Normalize, of images: ImageDataset, count: Int
  ) throws -> FixedViews {
    try FixedViews(
      steps: steps + [.normalize(normalization)], images: images, count: count, key: key)
  }
}

/// Random views that are drawn once for every image and not anew for every batch.
struct FixedViews {
  let steps: [AugmentationStep]
  private let pipeline: AugmentationPipeline
  /// [rows, N], one tensor a view.
  private let parameters: [Tensor]

  init(steps: [AugmentationStep], images: ImageDataset, count: Int, key: RandomKey) throws {
    self.steps = steps
    let pipeline = AugmentationPipeline(steps)
    self.pipeline = pipeline
    parameters = try (0..<count).map { view in
      try pipeline.draw(
        count: images.count, height: images.height, width: images.width, key: key.step(view))
    }
  }

  /// Model input of some images in a view.
  ///
  /// - Parameters:
  ///   - pixels: [B, C, H, W], uint8.
  ///   - indices: the B positions in the images that the views were drawn for.
  ///   - view: which view.
  ///   - device: where the input is wanted.
  /// - Returns: [B, C, H, W], float32, normalized.
  /// - Throws: `TensorError`.
  func input(_ pixels: Tensor, indices: [Int], view: Int, on device: Device) throws -> Tensor {
    let own = try parameters[view].indexSelect(1, Tensor(indices)).contiguous()
    return try pipeline.apply(pixels.to(device), parameters: own)
  }
}
