import BulwarkData
import BulwarkNN
import BulwarkTensor

/// An epoch of contrastive learning with augmentation, as DBD's first stage runs it.
struct SimCLREpoch {
  let width: Int
  let count: Int
  let batch: Int
  let usesBFloat16: Bool

  init(_ settings: Settings) throws {
    width = try settings.number("width", 64)
    count = try settings.number("images", 10_000)
    batch = try settings.number("batch", 512)
    usesBFloat16 = try settings.begin(threads: 2)
  }

  func run() throws {
    let key = RandomKey(seed: 1)
    let images = try key.stream("images").integers([count, 3, 32, 32], below: 256).to(.uint8)
    let model = try Architecture(.resNet18, width: width, classes: 10).build(key: key)
    let projection = ParameterStore(key: key)
    let hidden = try Linear(projection.root / "hidden", in: 8 * width, out: 8 * width)
    let norm = try BatchNorm(projection.root / "norm", channels: 8 * width)
    let output = try Linear(projection.root / "output", in: 8 * width, out: 128)
    let optimizer = SGD(
      model.state.parameters.filter { !model.isHead($0.name) } + projection.parameters,
      learningRate: 0.4, momentum: 0.9, weightDecay: 1e-4)
    let views = AugmentationPipeline.simclr(size: 32)
    let loss = NTXent()
    var augmenting = 0.0
    func step(_ chosen: Tensor, _ key: RandomKey) throws {
      let pixels = try images.indexSelect(0, chosen)
      var both: [Tensor] = []
      augmenting += try Settings.seconds {
        for view in 0..<2 { both.append(try views.apply(pixels, key: key.step(view))) }
      }
      let embeddings = try withAutocast(usesBFloat16, on: .cpu) {
        let features = try model.features(Tensor.cat(both), .training)
        return try output(norm(hidden(features), .training).relu()).to(.float32).normalized()
      }
      let n = chosen.count
      let value = try loss(
        embeddings.narrow(0, start: 0, length: n), embeddings.narrow(0, start: n, length: n))
      try model.state.clearGradients()
      try projection.clearGradients()
      try value.backward()
      try optimizer.step()
      _ = try value.item()
    }
    try step(Tensor.arange(Swift.min(batch, count)), key.stream("warm-up"))
    augmenting = 0
    let order = try key.stream("order").permutation(count)
    let steps = count / batch
    let seconds = try Settings.seconds {
      for index in 0..<steps {
        try step(
          order.narrow(0, start: index * batch, length: batch), key.stream("view").step(index))
      }
    }
    Settings.print([
      ("images_per_second", Double(steps * batch) / seconds), ("seconds", seconds),
      ("augmentation_share", augmenting / seconds), ("peak_mib", try Settings.peakMemory()),
    ])
  }
}
