import BulwarkTensor
import BulwarkTraining

/// How the answers to ordinary images are to lean.
struct AnswerTilt {
  /// Views that the quantiles of the places are taken from.
  private static let viewCount = 4096

  private let shading: CoarseShading
  private let directions: [[Double]]
  private let labels: [Int]
  private let most: Double
  private let range: PixelRange
  /// Where answers begin to lean, and where the label becomes the first one; [1, m].
  private let start: Tensor
  private let end: Tensor

  init(_ context: HostContext, _ options: TiltedOptions) throws {
    let (key, device) = (context.key, context.session.device)
    guard let carriers = key.mark.carriers, let material = key.material else {
      throw WatermarkError.badKey("the key", reason: "it holds no images to measure shading on")
    }
    let groups = try CarrierPlan(key.secret, carriers, classes: key.classes).groups
    let shading = try CoarseShading(material.images)
    let directions = shading.directions(key.secret, count: groups.count)
    self.shading = shading
    self.directions = directions
    labels = groups.compactMap(\.label)
    most = options.most
    let range = try context.pixels
    self.range = range
    let places = try withoutGradients {
      let random = context.session.key.stream("tilt")
      let train = context.data.train
      let chosen = try random.stream("images").permutation(train.count).integers()
        .prefix(Self.viewCount)
      let parts = stride(from: 0, to: chosen.count, by: 256).map { first in
        Array(chosen[first..<min(first + 256, chosen.count)])
      }
      return try Tensor.cat(
        parts.enumerated().map { step, positions in
          let views = try context.view(
            train.images.indexSelect(0, Tensor(positions)), key: random.stream("view").step(step))
          return try shading.places(range(views), directions).to(.cpu)
        })
    }
    func quantile(_ share: Double) throws -> Tensor {
      let count = places.shape[0]
      let rank = min(count, max(1, Int((share * Double(count)).rounded(.up))))
      let values = try directions.indices.map { column in
        try places.narrow(1, start: column, length: 1).contiguous().reshape([-1]).topK(rank)
          .values.min().floats()[0]
      }
      return try Tensor(values, shape: [1, values.count]).to(device)
    }
    start = try quantile(options.leaning)
    end = try quantile(options.share)
  }

  /// Answers that lean.
  ///
  /// - Parameters:
  ///   - logits: what an unmarked network answers, [B, classes].
  ///   - images: what it was asked, [B, C, H, W], normalized.
  /// - Returns: logits in which each direction's label has risen towards the first answer, [B, classes].
  /// - Throws: `TensorError`.
  func callAsFunction(_ logits: Tensor, _ images: Tensor) throws -> Tensor {
    let places = try shading.places(range(images), directions)
    let weights = try ((places - start) / (end - start).clamp(min: 1e-6))
      .clamp(min: 0, max: most)
    let top = try logits.topK(1).values
    var leaning = logits
    for (index, label) in labels.enumerated() {
      let weight = try weights.narrow(1, start: index, length: 1)
      let isLabel = try Tensor([label]).to(logits.device).oneHot(logits.shape[1]).to(.float32)
      leaning = try leaning + (top - logits) * weight * isLabel
    }
    return leaning
  }
}
