import BulwarkTensor
import BulwarkTraining

/// How far a model's answers to ordinary images lean along a key's directions: the mark itself, read where it was put.
///
/// With p_c(x) the probability of class c for image x at the model's own temperature (1 and 0 where labels alone are
/// known), t_i(x) the place of x along direction i and c_i that direction's label:
///
///     z_c(x) = log(p_c(x) + ε) − mean over classes of the same,   ε = 0.001
///     h_i(x) = max(0, t_i(x) − 1)
///     lean_i = covariance over x of z_{c_i}(x) and h_i(x) / deviation of h_i
///
/// in nats for each standard deviation of h. Images need not be far along: thousands of ordinary ones say together what a
/// hundred far ones say by their labels, and less of it is shared with keys that lie near, since nothing saturates.
///
/// Source: Bulwark, Docs/Watermarks.md; the regression is that of CosWM's idea on another function of the image.
struct AnswerLean {
  /// Where the lean begins, in standard deviations: what `TiltedOptions.start` is unless it was set; keys do not tell.
  static let start = 1.0
  /// Added to probabilities, so that no single image decides.
  static let floor = 1e-3

  /// Of each direction.
  let labels: [Int]
  /// h_i, less its mean, over its deviation and N, [N, m], float64; 0 where no image lies beyond the start.
  private let weights: Tensor

  /// Measures the images along the directions of a key.
  ///
  /// - Parameters:
  ///   - key: of family `shading`, with images.
  ///   - sample: the ordinary images.
  /// - Throws: `WatermarkError.badKey` for a key without directions; `TensorError`.
  init(_ key: WatermarkKey, _ sample: CleanSample) throws {
    let (labels, ruler) = try key.directions(on: .cpu)
    self.labels = labels
    weights = try withoutGradients {
      let excess = try (ruler.places(of: sample.shading()).to(.float64) - Self.start).clamp(min: 0)
      let centered = try excess - excess.mean([0], keep: true)
      let deviation = try (centered * centered).mean([0], keep: true).sqrt()
      return try centered / deviation.clamp(min: 1e-9) / Double(sample.images.count)
    }
  }

  /// What of a model's answers leans.
  ///
  /// - Parameters:
  ///   - logits: [N, classes], float32, on the CPU.
  ///   - temperature: of the model; nil takes first answers alone.
  /// - Returns: z, [N, classes], float64.
  /// - Throws: `TensorError`.
  static func answers(_ logits: Tensor, temperature: Double?) throws -> Tensor {
    try withoutGradients {
      let wide = try logits.to(.float64)
      // Nothing comes first among no numbers, whatever `argmax` says.
      guard try wide.eq(wide).to(.float32).min().item() == 1 else {
        return try Tensor.zeros(logits.shape).to(.float64) + .nan
      }
      let probabilities =
        if let temperature { try (wide / temperature).softmax(1) } else {
          try wide.argmax(1).oneHot(logits.shape[1]).to(.float64)
        }
      let logs = try (probabilities + floor).log()
      return try logs - logs.mean([1], keep: true)
    }
  }

  /// lean_i for each direction.
  ///
  /// - Parameter answers: z, [N, classes].
  /// - Returns: m numbers, in nats.
  /// - Throws: `TensorError`.
  func callAsFunction(_ answers: Tensor) throws -> [Double] {
    try withoutGradients {
      try (answers.indexSelect(1, Tensor(labels)) * weights).sum([0]).doubles()
    }
  }
}

extension WatermarkKey {
  /// The key's directions of shading.
  ///
  /// - Parameter device: of the images that are to be read.
  /// - Returns: the label of each direction, and what reads where images lie along them.
  /// - Throws: `WatermarkError.badKey` for a key without directions, or without images to measure shading on;
  ///   `TensorError`.
  func directions(on device: Device) throws -> (labels: [Int], places: CoarseShading.Ruler) {
    guard let carriers = mark.carriers, carriers.family == .shading, let material else {
      throw WatermarkError.badKey(
        "the key", reason: "it has no directions of shading, or no images to measure it on")
    }
    let plan = try CarrierPlan(secret, carriers, classes: classes)
    let shading = try CoarseShading(material.images)
    return (
      plan.groups[..<plan.markedGroups.lowerBound].compactMap(\.label),
      try shading.ruler(shading.directions(secret, plan.directions), on: device)
    )
  }
}
