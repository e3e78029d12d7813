import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// SimCLR's projection: Linear D→D, batch norm, ReLU, Linear D→128, unit length. Discarded after
/// stage 1 (SCLBD/DBD `model/model.py`).
final class ProjectionHead {
  let state: ParameterStore
  private let hidden: Linear
  private let norm: BatchNorm
  private let output: Linear

  init(input: Int, output size: Int, key: RandomKey, device: Device) throws {
    state = ParameterStore(key: key, device: device)
    hidden = try Linear(state.root / "projection" / 0, in: input, out: input)
    norm = try BatchNorm(state.root / "projection" / 1, channels: input)
    output = try Linear(state.root / "projection" / 3, in: input, out: size)
  }

  /// Embeddings [N, size] of unit length from features [N, D].
  func callAsFunction(_ features: Tensor) throws -> Tensor {
    try output(norm(hidden(features), .training).relu()).normalized()
  }
}

/// Stage 1: SimCLR on all images, labels ignored (paper section 4.2; fact sheet 1.2).
extension DBDTrainer {
  func runSelfSupervision() throws {
    let settings = options.selfSupervision
    let key = session.key.stream("self_supervision")
    var walk = BatchWalk(data.train, batchSize: settings.batchSize, key: key)
    let perEpoch = walk.stepsPerEpoch
    let steps = settings.epochs * perEpoch
    let loss = NTXent(temperature: settings.temperature, isSymmetric: settings.symmetric)
    let schedule = Schedule.warmupCosine(
      warmup: settings.warmupEpochs, total: Double(settings.cosineEpochs))
    session.tell(.stage(name: stage.rawValue, step: step, steps: steps))
    while step < steps {
      // The official schedule moves once an epoch; without warm-up the difference is below 1 %.
      contrastiveOptimizer.learningRate =
        settings.learningRate * schedule.factor(at: Double(step) / Double(perEpoch))
      let batch = try walk.batch(step: step)
      let pixels = try batch.images.to(session.device)
      let stepKey = key.stream("view").step(step)
      // Both views in one pass: the batch statistics are joint, as in the official code.
      let both = try Tensor.cat([
        views.contrastive(pixels, settings, key: stepKey.step(0)),
        views.contrastive(pixels, settings, key: stepKey.step(1)),
      ])
      let embeddings = try session.inPrecision {
        try projection(model.features(both, .training)).to(.float32)
      }
      let n = batch.indices.count
      let value = try loss(
        embeddings.narrow(0, start: 0, length: n), embeddings.narrow(0, start: n, length: n))
      try model.state.clearGradients()
      try projection.state.clearGradients()
      try value.backward()
      try contrastiveOptimizer.step()
      lossSum += try TrainingError.finite(value.item(), stage: stage.rawValue, step: step)
      step += 1
      if step % perEpoch == 0 {
        record(
          MetricValue(Metric.trainLoss, lossSum / Double(perEpoch), count: data.train.count),
          at: .selfSupervision)
        lossSum = 0
      }
      try finishedStep(of: steps, samples: n)
    }
  }
}
