import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// What attacks share beside the model and the owner's images: random views, images that the owner
/// did not train on, and what the stolen model answered already.
public struct RemovalEnvironment: Sendable {
  /// Random views of training images, without normalization; empty for none.
  public private(set) var views: [AugmentationStep]
  /// Images of the same classes that the owner did not train on; nil where there are none.
  public let otherImages: ImageDataset?
  /// What the owner's server does to answers before a thief gets them; nil where he asks the model itself.
  public private(set) var server: CosineChange?
  /// The stolen model's answers, computed once and used by every attack.
  public let answers: TeacherAnswers

  /// Describes an attacker's means.
  ///
  /// - Parameters:
  ///   - views: random views, without normalization.
  ///   - otherImages: disjoint from the owner's images (`ImageDataset.without(_:)`).
  ///   - server: what changes answers on their way; nil for nothing.
  ///   - seed: of the fixed views in which the stolen model is asked.
  ///   - askedSample: images that it is asked about where only time is to be estimated
  ///     (`TeacherAnswers.omittedSeconds`); nil for all.
  public init(
    views: [AugmentationStep] = [], otherImages: ImageDataset? = nil,
    server: CosineChange? = nil, seed: UInt64 = 0, askedSample: Int? = nil
  ) {
    self.views = views
    self.otherImages = otherImages
    self.server = server
    answers = TeacherAnswers(
      key: RandomKey(seed: seed).stream("removal/views"), sampleSize: askedSample)
  }

  /// The same means with one more random change in every view; answers are still shared.
  func adding(_ step: AugmentationStep) -> RemovalEnvironment {
    var other = self
    other.views.append(step)
    return other
  }

  /// The same means against a model that no server stands before.
  func withoutServer() -> RemovalEnvironment {
    var other = self
    other.server = nil
    return other
  }

  /// The images that an attack trains on.
  ///
  /// - Throws: `RemovalError.otherImagesMissing`.
  func images(_ data: TrainingData, _ training: AttackTraining, attack: String) throws
    -> ImageDataset
  {
    let all: ImageDataset
    switch training.images {
    case .own: all = data.train
    case .other:
      guard let otherImages else { throw RemovalError.otherImagesMissing(attack: attack) }
      all = otherImages
    }
    guard training.imageShare < 1 else { return all }
    let count = max(1, Int((training.imageShare * Double(all.count)).rounded()))
    return try all.subset(
      SampleSelection.balanced(labels: all.labels, classCount: all.classCount, limit: count))
  }

  /// Views and normalization in one pass.
  func pipeline(_ normalization: Normalize) -> AugmentationPipeline {
    AugmentationPipeline(views + [.normalize(normalization)])
  }

  /// Model input of a batch in fresh random views, or in none.
  func input(
    _ pixels: Tensor, _ normalization: Normalize, augment: Bool, key: RandomKey, on device: Device
  ) throws -> Tensor {
    guard augment, !views.isEmpty else { return try normalization.prepare(pixels, on: device) }
    return try pipeline(normalization).apply(pixels.to(device), key: key)
  }

  /// Whatever of the environment decides an attack's result, for telling two runs apart.
  func identity(_ images: ImageDataset) throws -> JSONValue {
    var parts: [String: JSONValue] = [
      "images": .string(try images.fingerprint), "views": try JSONValue(encoding: views),
    ]
    if let server { parts["server"] = .string(server.identity) }
    return .object(parts)
  }
}

extension ImageClassifier {
  /// A model of its own with the same weights.
  ///
  /// - Throws: `TensorError`.
  func surrogateCopy(on device: Device) throws -> ImageClassifier {
    let copy = try architecture.build(key: RandomKey(seed: 0), device: device)
    try copy.state.load(state.snapshot())
    return copy
  }

  /// SHA-256 over all weights and buffers, 64 hexadecimal digits: what tells two models apart.
  ///
  /// - Throws: `TensorError`.
  public func weightDigest() throws -> String {
    var digests: [UInt8] = []
    for (name, tensor) in try state.snapshot() {
      digests += Array(name.utf8)
      digests += try tensor.withUnsafeBytes { SHA256Digest(of: $0).bytes }
    }
    return SHA256Digest(of: digests).description
  }
}
