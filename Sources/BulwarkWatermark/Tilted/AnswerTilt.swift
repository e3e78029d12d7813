import BulwarkTensor
import BulwarkTraining

/// How the answers to ordinary images are to lean: the logit of each direction's label rises by
/// slope · max(0, t − start), where t is how far an image lies along the direction.
struct AnswerTilt {
  /// Views that the slope is measured on.
  private static let viewCount = 4096
  /// The steepest slope, in logits for each standard deviation, where few answers could change.
  static let steepest = 8.0

  /// Of each direction.
  let labels: [Int]
  /// Of all directions, in logits for each standard deviation beyond `start`.
  let slope: Double
  /// Each direction's slope in the column of its label, [m, classes].
  private let rise: Tensor
  private let places: CoarseShading.Ruler
  private let start: Double
  private let range: PixelRange

  /// Measures how steep the lean may be: it changes `options.share` of the first answers to random views of
  /// the task's images.
  ///
  /// - Parameters:
  ///   - context: of the run.
  ///   - key: with the directions that were chosen.
  ///   - options: share and start.
  ///   - answers: the unmarked network's logits, [B, classes], for views [B, C, H, W].
  /// - Throws: `WatermarkError` when the key has no images; `TensorError`.
  init(
    _ context: HostContext, _ key: WatermarkKey, _ options: TiltedOptions,
    answers: (Tensor) throws -> Tensor
  ) throws {
    let device = context.session.device
    let (labels, places) = try key.directions(on: device)
    let range = try context.pixels
    (self.labels, self.places, self.range, start) = (labels, places, range, options.start)

    let columns = try Tensor(labels).to(device)
    let random = context.session.key.stream("tilt")
    let train = context.data.train
    let chosen = try random.stream("images").permutation(train.count).integers()
      .prefix(Self.viewCount)
    // For each view, the slope at which one of the labels would come first.
    var needed: [Double] = []
    for (step, first) in stride(from: 0, to: chosen.count, by: 256).enumerated() {
      let positions = Array(chosen[first..<min(first + 256, chosen.count)])
      let views = try context.view(
        train.images.indexSelect(0, Tensor(positions)), key: random.stream("view").step(step))
      let logits = try answers(views)
      let excess = try places(range(views)) - options.start
      let missing = try logits.topK(1).values - logits.indexSelect(1, columns)
      let slopes = try (missing / excess.clamp(min: 1e-6)).doubles()
      for row in stride(from: 0, to: slopes.count, by: labels.count) {
        // A label that comes first anyway, 0, changes nothing.
        let own = slopes[row..<row + labels.count].filter { $0 > 0 }
        if let least = own.min() { needed.append(least) }
      }
    }
    needed.sort()
    let changed = max(1, Int((options.share * Double(chosen.count)).rounded()))
    slope = changed <= needed.count ? min(needed[changed - 1], Self.steepest) : Self.steepest
    rise = try columns.oneHot(key.classes).to(.float32) * slope
  }

  /// Answers that lean.
  ///
  /// - Parameters:
  ///   - logits: what an unmarked network answers, [B, classes].
  ///   - images: what it was asked, [B, C, H, W], normalized.
  /// - Returns: logits in which those of the directions' labels have risen, [B, classes].
  /// - Throws: `TensorError`.
  func callAsFunction(_ logits: Tensor, _ images: Tensor) throws -> Tensor {
    let excess = try (places(range(images)) - start).clamp(min: 0)
    return try withAutocast(false, on: logits.device) { try logits + excess.matmul(rise) }
  }
}
