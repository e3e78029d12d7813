import BulwarkTensor

/// A trained classifier as the attacks see it: logits `[B, classes]` of images `[B, C, H, W]`, float32
/// in 0...1. Normalization and evaluation mode are its own business.
public typealias Classifier = (_ images: Tensor) throws -> Tensor

/// Untargeted projected gradient ascent on the cross-entropy in the L∞ ball (Madry et al. 2018,
/// arXiv 1706.06083), without a random start.
///
/// x₀ = x; x_{t+1} = clip(x_t + step · sign ∂CE(f(x_t), y)/∂x_t, x ± ε, 0...1); 8-bit result. Defaults
/// are those of the label-consistent attack's implementations: ε 8/255, step 1.5/255, 100 steps.
/// Deviation: the result is rounded, where `torchattacks` truncates; both stay within ε.
public struct ProjectedGradient: Hashable, Sendable, Codable {
  /// Radius ε of the ball, in gray levels, 0...255.
  public var epsilon: Double
  /// Length of a step, in gray levels, 0...255.
  public var stepSize: Double
  /// Number of steps, 1...10000.
  public var steps: Int

  /// Ascent with these parameters.
  public init(epsilon: Double = 8, stepSize: Double = 1.5, steps: Int = 100) {
    self.epsilon = epsilon
    self.stepSize = stepSize
    self.steps = steps
  }

  func validate() throws {
    try require((0...255).contains(epsilon), "epsilon", epsilon, "0...255 gray levels")
    try require((0...255).contains(stepSize), "stepSize", stepSize, "0...255 gray levels")
    try require((1...10_000).contains(steps), "steps", steps, "1...10000")
  }

  /// Perturbs a batch of images so that the classifier's loss on their labels grows.
  ///
  /// - Parameters:
  ///   - images: `[B, C, H, W]`, uint8, CPU.
  ///   - labels: B labels.
  ///   - classCount: number of classes, for checking the classifier.
  ///   - device: where the classifier lives.
  ///   - classifier: gives logits; gradients flow back through it to the images.
  /// - Returns: `[B, C, H, W]`, uint8, CPU; no value differs by more than ε (ε rounded down).
  /// - Throws: `PoisonError.wrongLogits`, `.gradientNotFinite`; whatever the classifier throws.
  public func perturb(
    _ images: Tensor, labels: [Int], classCount: Int, device: Device = .cpu,
    classifier: Classifier
  ) throws -> Tensor {
    precondition(labels.count == images.shape[0], "every image has one label")
    let original = try images.to(device).to(.float32) / 255.0
    let targets = try Tensor(labels).to(device)
    // Whole gray levels, so that rounding at the end cannot leave the ball.
    let radius = epsilon.rounded(.down) / 255
    let low = try (original - radius).clamp(min: 0)
    let high = try (original + radius).clamp(max: 1)
    var current = original
    for step in 0..<steps {
      let gradient = try withGradients {
        let leaf = try current.detach()
        try leaf.setRequiresGradient(true)
        let logits = try classifier(leaf)
        guard logits.shape == [labels.count, classCount] else {
          throw PoisonError.wrongLogits(
            expected: [labels.count, classCount], found: logits.shape)
        }
        // The sum, not the mean: only the sign counts, and small gradients keep their digits.
        let loss = try logits.to(.float32).crossEntropy(targets, perSample: true).sum()
        return try loss.gradients(of: [leaf])
      }
      guard let direction = gradient.first, try direction.isFinite().to(.float32).min().item() > 0
      else { throw PoisonError.gradientNotFinite(step: step) }
      current = try withoutGradients {
        try (current + direction.sign() * (stepSize / 255)).maximum(low).minimum(high)
      }
    }
    return try (current * 255.0).round().clamp(min: 0, max: 255).to(.uint8).to(.cpu)
  }
}
