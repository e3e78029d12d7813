import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// BS (Chen et al., CVPR 2023, section 3.3): each sample of the forget set is taught the class that lies
/// across the nearest boundary.
///
/// As in SalUn's official code: a frozen copy of the original model in evaluation mode takes one
/// step of the fast gradient sign method of 0.1 in pixels of 0...1, rounded to 8 bits, on the randomly
/// viewed image; the class it then answers is the new label, also where it is the given one.
final class BoundaryShrinking: UniformProcedure {
  private let context: UnlearningContext
  private let options: BoundaryOptions
  private let descent: Descent
  private let frozen: ImageClassifier
  private var walk: BatchWalk

  init(_ context: UnlearningContext, _ options: BoundaryOptions) throws {
    self.context = context
    self.options = options
    descent = try Descent(context, options.training)
    frozen = try context.originalModel()
    walk = context.walk(context.forget, "forget", batchSize: options.training.batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int { stepsPerEpoch * options.training.epochs }
  var stepsPerEpoch: Int { walk.stepsPerEpoch }

  func step(_ step: Int) throws -> StepOutcome {
    let batch = try walk.batch(step: step)
    let device = context.session.device
    let views = AugmentationPipeline(options.training.augment ? context.input.views : [])
    let pixels = try views.apply(
      batch.images.to(device), key: context.key.stream("view").stream("forget").step(step))
    let labels = try neighbors(of: pixels, labels: batch.labels.to(device))
    let images = try context.input.normalization.apply(pixels)
    let loss = try descent.descend(epoch: Double(step) / Double(stepsPerEpoch)) {
      try descent.logits(images).crossEntropy(labels)
    }
    return StepOutcome(loss: loss, samples: batch.indices.count)
  }

  /// The classes that the original model gives to attacked images.
  ///
  /// - Parameters:
  ///   - pixels: [B, C, H, W], float32 in 0...1.
  ///   - labels: [B], int64.
  /// - Returns: [B], int64.
  /// - Throws: `TensorError`.
  func neighbors(of pixels: Tensor, labels: Tensor) throws -> Tensor {
    let normalization = context.input.normalization
    let leaf = try pixels.detach().clone()
    try leaf.setRequiresGradient(true)
    let loss = try context.session.inPrecision {
      try frozen.logits(normalization.apply(leaf), .evaluation).to(.float32).crossEntropy(labels)
    }
    let gradient = try loss.gradients(of: [leaf])[0]
    return try withoutGradients {
      let moved = try (pixels + gradient.sign() * options.attackStep).clamp(min: 0, max: 1)
      let rounded = try (moved * 255).round() / 255
      return try context.session.inPrecision {
        try frozen.logits(normalization.apply(rounded), .evaluation)
      }.argmax(1)
    }
  }
}
