import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// A linear model of the bare pixels, softmax(W x + b): too weak for what an image shows, strong enough for a
/// pattern that stands at a fixed place.
struct PixelModel {
  /// Passes over the samples.
  private static let epochs = 4
  private static let batchSize = 64
  private static let momentum = 0.9
  private static let weightDecay = 5e-4
  /// Step size times the number of pixels: a step changes the logits alike at every image size.
  private static let stepSize = 6.0

  private let data: ImageDataset
  private let normalization: Normalize
  private let device: Device
  /// From D values an image to C classes.
  private let linear: Linear

  /// Trains from weights of 0 by SGD with momentum and a step size that falls along a cosine.
  ///
  /// - Parameters:
  ///   - data: holds the samples.
  ///   - members: positions in `data` to learn from.
  ///   - normalization: of the images.
  ///   - key: draws their order.
  ///   - device: where to compute.
  /// - Throws: `TensorError`.
  init(
    _ data: ImageDataset, members: [Int], normalization: Normalize, key: RandomKey, device: Device
  ) throws {
    let values = data.images.shape.dropFirst().reduce(1, *)
    (self.data, self.normalization, self.device) = (data, normalization, device)
    let state = ParameterStore(key: key, device: device)
    linear = try Linear(
      state.root / "pixels", in: values, out: data.classCount, initializer: .constant(0))
    let rate = PixelModel.stepSize / Double(values)
    let optimizer = SGD(
      state.parameters, learningRate: rate, momentum: PixelModel.momentum,
      weightDecay: PixelModel.weightDecay)
    var walk = BatchWalk(data, members: members, batchSize: PixelModel.batchSize, key: key)
    let steps = PixelModel.epochs * walk.stepsPerEpoch
    let schedule = Schedule.cosine(total: Double(steps))
    for step in 0..<steps {
      let batch = try walk.batch(step: step)
      optimizer.learningRate = rate * schedule.factor(at: Double(step))
      try state.clearGradients()
      try logits(batch.images).crossEntropy(batch.labels.to(device)).backward()
      try optimizer.step()
    }
  }

  /// Log odds log(p / (1 − p)) of each sample's given label, p its probability, and its most probable class.
  func judge(_ members: [Int]) throws -> [(odds: Double, predicted: Int)] {
    var judged: [(odds: Double, predicted: Int)] = []
    for start in stride(from: 0, to: members.count, by: 256) {
      let batch = try data.batch(Array(members[start..<min(start + 256, members.count)]))
      let z = try withoutGradients { try logits(batch.images) }
      let given = try batch.labels.to(device).oneHot(data.classCount)
      let odds = try (z * given).sum([1]) - (z - given * 1e9).logSumExp([1])
      for pair in zip(try odds.doubles(), try z.argmax(1).integers()) { judged.append(pair) }
    }
    return judged
  }

  /// Logits, one row an image, of stored images [B, C, H, W], uint8.
  private func logits(_ images: Tensor) throws -> Tensor {
    try linear(normalization.prepare(images, on: device).reshape([images.shape[0], -1]))
  }
}

extension SuspicionRanking {
  /// Ranks samples by how surely a linear model of the bare pixels, which has learned from four fifths of the
  /// others, knows their given label: what it is sure of carries a fixed pattern (`ShortcutSuspicion`). Needs no
  /// other model; linear in the number of samples and of classes. Holds some copies of one float32 weight for
  /// each pixel value and class.
  ///
  /// Neither a large nor an easy class may look like one with a pattern. So the model learns from no more samples of
  /// a class than the median class has, and the lower quartile of a class's log odds, which is what it has as a
  /// whole, is taken from its scores.
  ///
  /// - Parameters:
  ///   - data: the samples; with fewer than 2 all scores are 0.
  ///   - normalization: of their channels.
  ///   - key: draws the fifths and the order in which the model learns.
  ///   - device: where to compute.
  /// - Returns: scores log(p / (1 − p)) for the probability p of the given label, less the lower quartile of their
  ///   class; the most probable classes.
  /// - Throws: `TensorError`.
  public static func byPixels(
    of data: ImageDataset, normalization: Normalize, key: RandomKey, device: Device = .cpu
  ) throws -> SuspicionRanking {
    let folds = min(5, data.count)
    let order = try key.permutation(data.count).integers()
    var scores = [Double](repeating: 0, count: data.count)
    var predicted = data.labels
    for fold in 0..<folds where folds > 1 {
      let held = order.indices.filter { $0 % folds == fold }.map { order[$0] }
      let rest = order.indices.filter { $0 % folds != fold }.map { order[$0] }
        .evenly(by: data.labels)
      let model = try PixelModel(
        data, members: rest, normalization: normalization, key: key.step(fold), device: device)
      for (position, judged) in zip(held, try model.judge(held)) {
        (scores[position], predicted[position]) = judged
      }
    }
    for members in Dictionary(grouping: scores.indices, by: { data.labels[$0] }).values {
      let lowerQuartile = members.map { scores[$0] }.quantile(0.25)
      for position in members { scores[position] -= lowerQuartile }
    }
    return SuspicionRanking(scores: scores, predicted: predicted, labels: data.labels)
  }
}

extension [Int] {
  /// The first of these positions of every class, no more than the median class has.
  fileprivate func evenly(by labels: [Int]) -> [Int] {
    let sizes = Dictionary(grouping: self) { labels[$0] }.values.map(\.count).sorted()
    let most = sizes.isEmpty ? 0 : sizes[sizes.count / 2]
    var taken: [Int: Int] = [:]
    return filter {
      taken[labels[$0], default: 0] += 1
      return taken[labels[$0], default: 0] <= most
    }
  }
}
