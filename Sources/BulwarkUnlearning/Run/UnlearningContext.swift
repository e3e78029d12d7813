import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// What the steps of every method work with: the model, a way back to the original, the data, the mask
/// and the run's random key.
final class UnlearningContext {
  let model: ImageClassifier
  /// Weights and buffers of the checkpoint that is unlearned from.
  let original: StateDict
  let input: UnlearningInput
  let session: TrainingSession
  /// The weights that may move; nil for all.
  let mask: ParameterMask?
  /// Where the part of the network begins that may move; nil for the whole.
  let cut: String?
  /// What arrives at the cut for each training sample, once it was asked for.
  private var arrivals: Tensor?

  init(
    model: ImageClassifier, original: StateDict, input: UnlearningInput, session: TrainingSession,
    mask: ParameterMask?, cut: String? = nil
  ) {
    self.model = model
    self.original = original
    self.input = input
    self.session = session
    self.mask = mask
    self.cut = cut
  }

  var train: ImageDataset { input.train }
  var forget: [Int] { input.forgetSet.forget }
  var retain: [Int] { input.forgetSet.retain }
  /// Ascending positions of all that the model knows: `forget` and `retain`.
  var known: [Int] { (forget + retain).sorted() }
  /// Root of the method's random numbers.
  var key: RandomKey { session.key.stream("unlearn") }

  /// A second model with the original weights, for methods that need a teacher.
  func originalModel() throws -> ImageClassifier {
    let copy = try model.architecture.build(key: RandomKey(seed: 0), device: session.device)
    try copy.state.load(original.pairs.map { (name: $0.0, tensor: $0.1) })
    try copy.state.setTrainable(false)
    return copy
  }

  /// Batches of some samples in an order of their own.
  func walk(_ members: [Int], _ name: String, batchSize: Int) -> BatchWalk {
    BatchWalk(
      train, members: members, batchSize: batchSize, key: key.stream("order").stream(name))
  }

  /// An optimizer over the model's weights that respects the mask.
  func masked(_ optimizer: any Optimizer) throws -> any Optimizer {
    guard let mask else { return optimizer }
    // What lies before a cut has no gradients, and no optimizer touches it.
    let moving = try model.state.parameters.filter { try $0.tensor.requiresGradient }
    return try MaskedOptimizer(optimizer, parameters: moving, mask: mask)
  }

  /// SGD over the model's weights, and over `further` ones that no mask covers.
  func sgd(_ options: FineTuningOptions, further: [ParameterStore.Entry] = []) throws
    -> any Optimizer
  {
    try masked(
      SGD(
        model.state.parameters + further, learningRate: options.learningRate,
        momentum: options.momentum, weightDecay: options.weightDecay))
  }

  /// Images as the model wants them: random views where they are asked for.
  ///
  /// - Parameters:
  ///   - pixels: [B, C, H, W], uint8.
  ///   - augment: whether random views are drawn.
  ///   - key: of the views.
  /// - Returns: [B, C, H, W], float32, normalized, on the run's device.
  /// - Throws: `DataError` when the views do not fit the images; `TensorError`.
  func images(_ pixels: Tensor, augment: Bool, key: RandomKey) throws -> Tensor {
    let pixels = try pixels.to(session.device)
    guard augment, !input.views.isEmpty else {
      return try input.normalization.prepare(pixels, on: session.device)
    }
    return try input.augmentation.apply(pixels, key: key)
  }

  /// What arrives at a cut for training samples without random views, computed once for all of them: N times
  /// the size of one sample's activations (ResNet-18 at width 16, before `layer4`, 32×32 images: 16 KB).
  ///
  /// - Parameters:
  ///   - indices: of the samples.
  ///   - cut: of the network.
  /// - Returns: [samples, channels, rows, columns], on the run's device.
  /// - Throws: `TensorError`.
  func activations(of indices: [Int], before cut: String) throws -> Tensor {
    let all: Tensor
    if let known = arrivals {
      all = known
    } else {
      let batches = try stride(from: 0, to: train.count, by: 250).map { start in
        let batch = try train.batch(Array(start..<min(start + 250, train.count)))
        return try activations(images(batch.images, augment: false, key: key), before: cut)
      }
      all = try Tensor.cat(batches)
      arrivals = all
    }
    return try all.indexSelect(0, Tensor(indices).to(session.device))
  }

  /// What arrives at a cut for images, [B, C, H, W], normalized.
  func activations(_ images: Tensor, before cut: String) throws -> Tensor {
    try withoutGradients {
      try session.inPrecision { try model.activations(images, before: cut) }
    }
  }

  /// The sum of the cross-entropies' gradients over some samples, in evaluation mode and without
  /// random views: one vector over all weights.
  func gradientSum(_ members: [Int], batchSize: Int = 256) throws -> Tensor {
    try model.state.clearGradients()
    for start in stride(from: 0, to: members.count, by: batchSize) {
      let batch = try train.batch(Array(members[start..<min(start + batchSize, members.count)]))
      let images = try images(batch.images, augment: false, key: key)
      let labels = try batch.labels.to(session.device)
      let loss = try session.inPrecision {
        try model.logits(images, .evaluation).to(.float32).crossEntropy(labels, perSample: true)
          .sum()
      }
      try loss.backward()
    }
    defer { try? model.state.clearGradients() }
    return try Tensor.cat(
      model.state.parameters.map { entry in
        let gradient =
          try entry.tensor.gradient()
          ?? Tensor.zeros(entry.tensor.shape, device: entry.tensor.device)
        return try gradient.reshape([-1])
      }
    ).clone()
  }

  /// Adds `vector`, one number for each weight in order, to the weights that may move.
  func add(_ vector: Tensor) throws {
    var start = 0
    try withoutGradients {
      for entry in model.state.parameters {
        let weights = entry.tensor
        let change = try vector.narrow(0, start: start, length: weights.count)
          .reshape(weights.shape)
        start += weights.count
        let moved = try weights + change
        guard let allowed = try mask?.tensors[entry.name]?.to(weights.device) else {
          try weights.copy(from: moved)
          continue
        }
        try weights.copy(from: moved.where(allowed, else: weights))
      }
    }
  }
}
