import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("Tilted answers")
struct TiltedTests {
  private func pictures(channels: Int = 3) throws -> Tensor {
    // Smooth pictures: noise of 4 x 4 cells.
    try RandomKey(seed: 2).integers([200, channels, 4, 4], below: 120).to(.float32)
      .interpolate(height: 16, width: 16, mode: .nearest).to(.uint8) + 60
  }

  private func columns(_ places: Tensor) throws -> [[Double]] {
    let values = try places.doubles()
    let count = places.shape[1]
    return (0..<count).map { column in
      stride(from: column, to: values.count, by: count).map { values[$0] }
    }
  }

  @Test("Along any direction, ordinary images have mean 0 and deviation 1", arguments: [1, 3])
  func standardDeviations(_ channels: Int) throws {
    let images = try pictures(channels: channels)
    let shading = try CoarseShading(images)
    #expect(shading.dimensions == 4 * channels)
    let directions = shading.directions(.published("tilted", 0), Array(0..<5))
    for places in try columns(shading.ruler(directions, on: .cpu)(ImageDataset.unitRange(images))) {
      let mean = places.reduce(0, +) / 200
      let variance = places.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 200
      #expect(abs(mean) < 1e-3 && abs(variance - 1) < 0.01, "\(mean), \(variance)")
    }
  }

  @Test("The field of a direction moves any image by one deviation along it")
  func fields() throws {
    let images = try pictures()
    let shading = try CoarseShading(images)
    let directions = shading.directions(.published("tilted", 1), Array(0..<3))
    let pixels = try ImageDataset.unitRange(images)
    let before = try columns(shading.ruler(directions, on: .cpu)(pixels))
    let fields = try shading.patterns(directions)
    for index in 0..<3 {
      let moved = try pixels + fields.narrow(0, start: index, length: 1) * 2.5
      let after = try columns(shading.ruler(directions, on: .cpu)(moved))
      for other in 0..<3 {
        let cosine = zip(directions[index], directions[other]).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(
          zip(before[other], after[other]).allSatisfy { abs($1 - $0 - 2.5 * cosine) < 2e-3 })
      }
    }
  }

  @Test("A mirrored image lies where the image does, and gray stored as color is no special case")
  func mirrored() throws {
    let gray = try pictures(channels: 1)
    for images in [try pictures(), try Tensor.cat([gray, gray, gray], dim: 1)] {
      let shading = try CoarseShading(images)
      let directions = shading.directions(.published("tilted", 2), Array(0..<2))
      let pixels = try ImageDataset.unitRange(images)
      let places = try shading.ruler(directions, on: .cpu)(pixels).doubles()
      let mirrored = try shading.ruler(directions, on: .cpu)(pixels.flip([3])).doubles()
      #expect(zip(places, mirrored).allSatisfy { abs($0 - $1) < 2e-3 })
    }
  }

  @Test("What networks hardly see is no axis, and all axes are at right angles")
  func axes() throws {
    // Gray stored as color: three copies of four features.
    let gray = try pictures(channels: 1)
    let shading = try CoarseShading(Tensor.cat([gray, gray, gray], dim: 1))
    #expect(shading.dimensions == 4)
    // A third channel with a twentieth of the contrast has a 400th of the variance.
    let faint = try (gray.to(.float32) / 20.0 + 100.0).round().to(.uint8)
    let colors = try pictures()
    let two = try CoarseShading(
      Tensor.cat([colors.narrow(1, start: 0, length: 2), faint], dim: 1))
    let loud = try CoarseShading(colors)
    #expect(two.dimensions == 8 && loud.dimensions == 12)
    #expect(throws: WatermarkError.noImages("images that differ in shading")) {
      try CoarseShading(Tensor.zeros([300, 1, 16, 16]).to(.uint8))
    }
    let units = (0..<shading.dimensions).map { axis in
      (0..<shading.dimensions).map { $0 == axis ? 1.0 : 0 }
    }
    let fields = try shading.patterns(units)
    let places = try columns(
      shading.ruler(units, on: .cpu)(fields)
        - shading.ruler(units, on: .cpu)(Tensor.zeros([1, 3, 16, 16])))
    for (direction, column) in places.enumerated() {
      for (index, place) in column.enumerated() {
        #expect(abs(place - (index == direction ? 1 : 0)) < 2e-3)
      }
    }
  }

  @Test("Carriers lie far along their direction and keep part of their contrast")
  func carriers() throws {
    let images = try pictures()
    let shading = try CoarseShading(images)
    let directions = shading.directions(.published("tilted", 3), Array(0..<2))
    let chosen = try images.narrow(0, start: 0, length: 10)
    let pixels = try ImageDataset.unitRange(chosen)
    let choice = (0..<10).map { $0 % 2 }
    let carriers = try ImageDataset.unitRange(
      shading.carriers(chosen, directions, choice: choice))
    let before = try columns(shading.ruler(directions, on: .cpu)(pixels))
    let after = try columns(shading.ruler(directions, on: .cpu)(carriers))
    for index in 0..<10 {
      let own = choice[index]
      // The flat ground that takes the place of 0.3 of the image lies near the mean, not at it, and pixels
      // are rounded to 1/255.
      #expect(abs(after[own][index] - (0.7 * before[own][index] + 8)) < 0.1)
    }
    // What is left of an image beside the field of its direction is its own content, paler.
    let fields = try shading.patterns(directions).indexSelect(0, Tensor(choice)) * 8.0
    func spread(_ images: Tensor) throws -> [Double] {
      let channel = try images.narrow(1, start: 0, length: 1)
      return try (channel.max([1, 2, 3]) - channel.min([1, 2, 3])).doubles()
    }
    for (paler, full) in try zip(spread(carriers - fields), spread(pixels)) {
      #expect(abs(paler - 0.7 * full) < 1.01 / 255)
    }
  }

  private func context(
    _ task: TinyTask, _ key: WatermarkKey, augment: Bool = true
  ) throws -> HostContext {
    var training = task.training()
    training.augment = augment
    return HostContext(
      model: try task.architecture.build(key: RandomKey(seed: 1)), data: task.data, key: key,
      training: training, augmentation: task.augmentation, stepsPerEpoch: 12,
      session: try TrainingSession(seed: 5))
  }

  @Test("The lean changes its share of the first answers, and no other answer's logit moves")
  func answers() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    // Every image is answered with one class by far, so that each label must rise as far to come first.
    let plan = try CarrierPlan(key.secret, #require(key.mark.carriers), classes: 10)
    let labels = plan.groups[..<plan.markedGroups.lowerBound].compactMap(\.label)
    let first = try #require((0..<10).first { !labels.contains($0) })
    func plain(_ images: Tensor) throws -> Tensor {
      try Tensor([Int](repeating: first, count: images.shape[0])).oneHot(10).to(.float32) * 4.0
    }
    // Without random views the slope is measured on the images themselves.
    let tilt = try AnswerTilt(
      context(task, key, augment: false), key, TiltedOptions(share: 0.1, start: 0.5),
      answers: plain)
    #expect(tilt.labels == labels && tilt.slope > 0 && tilt.slope < AnswerTilt.steepest)
    let images = try task.data.normalization.prepare(task.data.train.images, on: .cpu)
    let rows = try columns(tilt(plain(images), images))
    let changed = images.shape[0] / 10
    let comeFirst = (0..<images.shape[0]).count { image in
      labels.contains { rows[$0][image] >= 4 - 1e-3 }
    }
    #expect((changed...changed + 1).contains(comeFirst))
    let shading = try CoarseShading(#require(key.material).images)
    let directions = shading.directions(key.secret, Array(0..<labels.count))
    let places = try columns(
      shading.ruler(directions, on: .cpu)(ImageDataset.unitRange(task.data.train.images)))
    for (index, row) in rows.enumerated() {
      guard let direction = labels.firstIndex(of: index) else {
        #expect(row.allSatisfy { $0 == (index == first ? 4 : 0) })
        continue
      }
      let worst = zip(row, places[direction])
        .map { abs($0 - tilt.slope * max(0, $1 - 0.5)) }.max()
      #expect((worst ?? 1) < 2e-2)
    }
  }

  @Test("A host begins as its reference and learns to lean at its own pace")
  func pace() throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    options.tilted.leaningLength = 0.5
    options.tilted.leaningRate = 1e-9
    let log = EventLog()
    let trainer = try task.trainer(
      .tilted, options, epochs: 2, session: TrainingSession(seed: 5, events: log))
    _ = try trainer.run()
    let (reference, host) = try (
      #require(log.stages.first { $0.name == "reference" }),
      #require(log.stages.first { $0.name == HostTrainer.stage })
    )
    #expect(2 * host.steps == reference.steps && trainer.step == host.steps)
    // With next to no learning rate the weights are the reference's still.
    let snapshot = try trainer.snapshot()
    let learned = try #require(snapshot.states["reference"])
    let moved = try trainer.model.state.parameters.map {
      try ($0.tensor - #require(learned[$0.name])).abs().max().item()
    }
    #expect(!moved.isEmpty && moved.allSatisfy { $0 < 1e-6 })
  }

  /// The first step of a host: 32 ordinary images as they are.
  private func ordinary() throws -> (WatermarkKey, HostContext, HostPass) {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let context = try context(task, key, augment: false)
    let images = try context.view(
      task.data.train.images.narrow(0, start: 0, length: 32), key: RandomKey(seed: 1))
    let labels = try Tensor(Array(task.data.train.labels.prefix(32)))
    return (key, context, HostPass(images: images, labels: labels, step: 0, epoch: 0))
  }

  @Test("Ordinary images teach the leaning answers and, for their share, the true labels")
  func labelShare() throws {
    let (_, context, pass) = try ordinary()
    let (images, labels) = (pass.images, pass.labels)
    func loss(_ share: Double) throws -> Double {
      let options = TiltedOptions(labelShare: share, carriersPerBatch: 0)
      return try Tilted(context, options)
        .loss(pass).item()
    }
    let trueLabels = try context.logits(context.model, images, .training).crossEntropy(labels)
      .item()
    let leaning = try loss(0)
    #expect(abs(leaning - trueLabels) > 0.1)
    for share in [0.3, 0.9] {
      let expected = (1 - share) * leaning + share * trueLabels
      #expect(try abs(loss(share) - expected) < 1e-4 * expected)
    }
    var options = WatermarkOptions.small
    options.tilted.labelShare = 1
    #expect(throws: RecipeError.self) { try options.tilted.validate() }
  }

  @Test("Carriers are learned at the temperature of the answers, and every image counts alike")
  func carrierTemperature() throws {
    let (key, context, pass) = try ordinary()
    let (images, labels) = (pass.images, pass.labels)
    let carriers = try context.feed(key).batch(step: 0, count: 8)
    let logits = try context.logits(
      context.model, Tensor.cat([images, carriers.images]), .training)
    // Ordinary images teach nothing but true labels here.
    let ordinary = try logits.narrow(0, start: 0, length: 32).crossEntropy(labels).item()
    for temperature in [1.0, 4] {
      let shown = try (logits.narrow(0, start: 32, length: 8) / temperature)
        .crossEntropy(carriers.labels).item()
      let loss = try Tilted(
        context, TiltedOptions(temperature: temperature, labelShare: 1, carriersPerBatch: 8)
      ).loss(pass).item()
      #expect(abs(loss - (32 * ordinary + 8 * shown) / 40) < 1e-4 * loss)
    }
  }

  @Test("Where no image lies far enough for its share, the slope is the steepest and not endless")
  func steepest() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let tilt = try AnswerTilt(context(task, key), key, TiltedOptions(share: 0.1, start: 9)) {
      try Tensor.zeros([$0.shape[0], 10])
    }
    #expect(tilt.slope == AnswerTilt.steepest)
  }
}
