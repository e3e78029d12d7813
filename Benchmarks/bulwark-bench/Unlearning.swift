import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning

/// SalUn from checkpoint to checkpoint: saliency mask and random labeling of a tenth of the images.
///
/// With `from=layer4` the last stage alone moves, on images without random views: what arrives there is computed once.
struct SalUnRun {
  let width: Int
  let count: Int
  let batch: Int
  let epochs: Int
  let from: String
  let precision: Precision

  init(_ settings: Settings) throws {
    width = try settings.number("width", 64)
    from = settings.text("from", "")
    count = try settings.number("images", 1280)
    batch = try settings.number("batch", 256)
    epochs = try settings.number("epochs", 1)
    precision = try settings.begin(threads: 2) ? .bf16 : .fp32
  }

  func run() throws {
    let key = RandomKey(seed: 1)
    let train = try ImageDataset(
      images: key.stream("images").integers([count, 3, 32, 32], below: 256).to(.uint8),
      labels: (0..<count).map { $0 % 10 }, classNames: (0..<10).map(String.init))
    let normalization = Normalize(
      mean: [0.4914, 0.4822, 0.4465], deviation: [0.2470, 0.2435, 0.2616])
    let data = TrainingData(
      train: train,
      evaluator: Evaluator(test: nil, triggered: nil, normalization: normalization))
    let original = try Architecture(.resNet18, width: width, classes: 10).build(key: key)
      .checkpoint(data: data)
    let forget = try ForgetSet(Array(0..<count / 10), of: count, origin: "the first tenth")
    var options = UnlearningOptions()
    options.salun.training.epochs = epochs
    options.salun.training.batchSize = batch
    options.salun.training.augment = from.isEmpty
    let unlearner = try Unlearner(
      .salun, options: options,
      mask: MaskOptions(batchSize: batch, augment: from.isEmpty, from: from), original: original,
      originalDigest: "benchmark",
      input: UnlearningInput(
        train: train, forgetSet: forget, normalization: normalization,
        views: [.padCrop(PadCrop(padding: 4)), .horizontalFlip(HorizontalFlip())]),
      session: TrainingSession(seed: 1, precision: precision))
    let seconds = try Settings.seconds(unlearner.run)
    Settings.print([
      ("images_per_second", Double(count * epochs) / seconds), ("seconds", seconds),
      ("mask_seconds", unlearner.cost.maskSeconds), ("peak_mib", try Settings.peakMemory()),
    ])
  }
}

/// The ranking step of a saliency mask: which half of a network's weights is the most salient.
struct MaskRanking {
  let width: Int
  let rounds: Int

  init(_ settings: Settings) throws {
    width = try settings.number("width", 64)
    rounds = try settings.number("rounds", 5)
    _ = try settings.begin(threads: 1)
  }

  func run() throws {
    let key = RandomKey(seed: 1)
    let model = try Architecture(.resNet18, width: width, classes: 10).build(key: key)
    let scores = try model.state.parameters.map {
      (name: $0.name, tensor: try key.stream($0.name).normal($0.tensor.shape))
    }
    let total = scores.reduce(0) { $0 + $1.tensor.count }
    var kept = 0
    let times = try (0..<rounds).map { _ in
      try Settings.seconds { kept = try ParameterMask(keeping: total / 2, of: scores).count() }
    }
    Settings.print([
      ("seconds", Settings.median(times)), ("weights", Double(total)), ("kept", Double(kept)),
    ])
  }
}
