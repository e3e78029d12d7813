import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// The weight saliency mask of SalUn and its controls.
public struct MaskOptions: Hashable, Sendable, Codable {
  /// How the weights that may move are chosen.
  public enum Kind: String, Sendable, Codable, CaseIterable {
    /// The method's own: saliency for SalUn, none for the others.
    case automatic = "auto"
    /// All weights may move.
    case none
    /// The most salient ones.
    case saliency
    /// As many, drawn at random: the control for sparsity.
    case random
    /// As many of the least salient ones. So did the official code until December 2023.
    case inverted
  }

  /// How the weights are chosen.
  public var kind: Kind
  /// Share r of the weights that may move, 0...1: floor(N · r) of N.
  public var ratio: Double
  /// Images of one gradient. The saliency depends on it: every batch mean has the same weight.
  public var batchSize: Int
  /// Whether the forget set is seen through random views, as in the official code.
  public var augment: Bool
  /// How many samples of the forget set the gradients are taken of, drawn at random, so that the mask of a
  /// large set costs no more than that of a small one; 0 takes all, as the official code does.
  public var samples: Int
  /// First part of the network whose weights may move (`ImageClassifier.cuts`); empty for all, as in the
  /// official code. What lies before it stays as it was, running statistics included, and N counts the rest.
  /// Where training images have no random views, what arrives at that part is computed once.
  public var from: String

  /// The kind that a method gets: its own where it is left to it.
  public func kind(for method: UnlearningMethod) -> Kind {
    kind == .automatic ? method.ownMask : kind
  }

  /// The official settings: half of the weights, batches of 256, augmented images, the whole forget set.
  public init(
    kind: Kind = .automatic, ratio: Double = 0.5, batchSize: Int = 256, augment: Bool = true,
    samples: Int = 0, from: String = ""
  ) {
    self.kind = kind
    self.ratio = ratio
    self.batchSize = batchSize
    self.augment = augment
    self.samples = samples
    self.from = from
  }

  /// The samples that the gradients are taken of.
  ///
  /// - Parameters:
  ///   - forget: positions of the forget set.
  ///   - key: of the draw.
  /// - Returns: all of them, or `samples` of them in ascending order.
  /// - Throws: `TensorError`.
  func members(_ forget: [Int], key: RandomKey) throws -> [Int] {
    guard samples > 0, samples < forget.count else { return forget }
    return try key.permutation(forget.count).integers().prefix(samples).map { forget[$0] }.sorted()
  }

  /// The cut that the settings name in a network.
  ///
  /// - Parameter model: the network.
  /// - Returns: nil for none.
  /// - Throws: `RecipeError.setting` naming the cuts that there are.
  public func cut(in model: ImageClassifier) throws -> String? {
    guard !from.isEmpty else { return nil }
    guard model.cuts.contains(from) else {
      throw RecipeError.setting(
        "mask.from", expected: "one of \(model.cuts.joined(separator: ", "))", found: from)
    }
    return from
  }

  /// Checks ratio, batch size and number of samples.
  ///
  /// - Throws: `RecipeError.setting`.
  public func validate() throws {
    let check = SettingCheck("mask")
    try check.number("ratio", ratio, to: 1)
    try check.whole("batch_size", batchSize, in: 1...SettingCheck.mostUnits)
    try check.whole("samples", samples, in: 0...SettingCheck.mostUnits)
  }
}

/// SalUn's weight saliency (Fan et al., ICLR 2024, eq. 3): m = 1[ |∇_θ ℓ(θ_o; D_f)| ≥ γ ].
///
/// As in the official `generate_mask.py` after its corrections of December 2023: evaluation mode; one
/// pass over the forget set without an optimizer step; the gradients of the batch means of the
/// cross-entropy are summed over batches, and only then the absolute value is taken; one global
/// ranking of all trainable weights, normalization layers and head included; exactly floor(N · r)
/// weights. Deviation: ties go to the earlier weight, not to a sort's order.
public enum SaliencyMask {
  /// Σ over batches of ∇_θ (mean cross-entropy).
  ///
  /// - Parameters:
  ///   - model: the original; its weights do not move.
  ///   - train: the training set.
  ///   - members: positions of the forget set.
  ///   - batchSize: images of one gradient.
  ///   - key: of the order.
  ///   - session: device and precision.
  ///   - input: makes the model's input of a batch of stored pixels, given the batch's number.
  /// - Returns: one float32 CPU tensor for each trainable parameter that has gradients.
  /// - Throws: `TensorError`.
  static func gradients(
    _ model: ImageClassifier, _ train: ImageDataset, members: [Int], batchSize: Int, key: RandomKey,
    session: TrainingSession, input: (Tensor, Int) throws -> Tensor
  ) throws -> [(name: String, tensor: Tensor)] {
    try model.state.clearGradients()
    var walk = BatchWalk(train, members: members, batchSize: batchSize, key: key)
    for step in 0..<walk.stepsPerEpoch {
      let batch = try walk.batch(step: step)
      let images = try input(batch.images.to(session.device), step)
      let labels = try batch.labels.to(session.device)
      let loss = try session.inPrecision {
        try model.logits(images, .evaluation).to(.float32).crossEntropy(labels)
      }
      // Gradients add up from batch to batch.
      try loss.backward()
    }
    let sums = try model.state.parameters.filter { $0.tensor.requiresGradient }.map { entry in
      (
        name: entry.name,
        tensor: try entry.tensor.gradient()?.to(.cpu).contiguous().clone()
          ?? Tensor.zeros(entry.tensor.shape)
      )
    }
    try model.state.clearGradients()
    return sums
  }

  /// The mask of a kind from summed gradients.
  ///
  /// - Parameters:
  ///   - kind: not `automatic`.
  ///   - ratio: share of the weights that may move, 0...1.
  ///   - gradients: what `gradients` gives; only the shapes count for a random mask.
  ///   - key: of a random mask.
  /// - Returns: nil when all weights may move.
  /// - Throws: `UnlearningError.notFinite` naming the parameter.
  static func mask(
    _ kind: MaskOptions.Kind, ratio: Double, gradients: [(name: String, tensor: Tensor)],
    key: RandomKey
  ) throws -> ParameterMask? {
    let total = gradients.reduce(0) { $0 + $1.tensor.count }
    // 0.29 of 100 are 29, though the product of the two doubles is a little less.
    let count = Int((Double(total) * ratio + 1e-9).rounded(.down))
    switch kind {
    case .automatic, .none: return nil
    case .saliency: return try ParameterMask(keeping: count, of: gradients)
    case .inverted: return try ParameterMask(keeping: total - count, of: gradients).inverted()
    case .random:
      return try ParameterMask(
        keeping: count,
        of: gradients.map {
          (name: $0.name, tensor: try key.stream($0.name).uniform($0.tensor.shape))
        })
    }
  }
}
