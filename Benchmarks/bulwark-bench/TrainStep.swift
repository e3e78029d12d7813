import BulwarkNN
import BulwarkTensor

/// Forward, backward and update of a ResNet-18 on a batch of 32×32 images.
struct TrainStep {
  let width: Int
  let batch: Int
  let steps: Int
  let usesBFloat16: Bool

  init(_ settings: Settings) throws {
    width = try settings.number("width", 64)
    batch = try settings.number("batch", 128)
    steps = try settings.number("steps", 8)
    usesBFloat16 = try settings.begin(threads: 1)
  }

  func run() throws {
    let key = RandomKey(seed: 1)
    let model = try Architecture(.resNet18, width: width, classes: 10).build(key: key)
    let optimizer = SGD(
      model.state.parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4)
    let images = try key.stream("images").normal([batch, 3, 32, 32])
    let labels = try key.stream("labels").integers([batch], below: 10)
    func step() throws {
      try model.state.clearGradients()
      let logits = try withAutocast(usesBFloat16, on: .cpu) {
        try model.logits(images, .training)
      }
      let loss = try logits.to(.float32).crossEntropy(labels)
      try loss.backward()
      try optimizer.step()
      _ = try loss.item()
    }
    for _ in 0..<2 { try step() }
    let times = try (0..<steps).map { _ in try Settings.seconds(step) }
    let median = Settings.median(times)
    Settings.print([
      ("images_per_second", Double(batch) / median), ("seconds", median),
      ("fastest", times.min() ?? .nan), ("peak_mib", try Settings.peakMemory()),
    ])
  }
}
