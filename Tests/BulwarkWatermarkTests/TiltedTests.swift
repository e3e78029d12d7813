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
    #expect((1...4 * channels).contains(shading.dimensions))
    let directions = shading.directions(.published("tilted", 0), count: 5)
    for places in try columns(shading.places(ImageDataset.unitRange(images), directions)) {
      let mean = places.reduce(0, +) / 200
      let variance = places.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 200
      #expect(abs(mean) < 1e-3 && abs(variance - 1) < 0.01, "\(mean), \(variance)")
    }
  }

  @Test("The field of a direction moves any image by one deviation along it")
  func fields() throws {
    let images = try pictures()
    let shading = try CoarseShading(images)
    let directions = shading.directions(.published("tilted", 1), count: 3)
    let pixels = try ImageDataset.unitRange(images)
    let before = try columns(shading.places(pixels, directions))
    let fields = try shading.patterns(directions)
    for index in 0..<3 {
      let moved = try pixels + fields.narrow(0, start: index, length: 1) * 2.5
      let after = try columns(shading.places(moved, directions))
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
      let directions = shading.directions(.published("tilted", 2), count: 2)
      let pixels = try ImageDataset.unitRange(images)
      let places = try shading.places(pixels, directions).doubles()
      let mirrored = try shading.places(pixels.flip([3]), directions).doubles()
      #expect(zip(places, mirrored).allSatisfy { abs($0 - $1) < 2e-3 })
    }
  }

  @Test("What networks hardly see is no axis, and all axes are at right angles")
  func axes() throws {
    // Gray stored as color: three copies of four features.
    let gray = try pictures(channels: 1)
    let shading = try CoarseShading(Tensor.cat([gray, gray, gray], dim: 1))
    #expect(shading.dimensions <= 4)
    let units = (0..<shading.dimensions).map { axis in
      (0..<shading.dimensions).map { $0 == axis ? 1.0 : 0 }
    }
    let fields = try shading.patterns(units)
    let places = try columns(
      shading.places(fields, units) - shading.places(Tensor.zeros([1, 3, 16, 16]), units))
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
    let directions = shading.directions(.published("tilted", 3), count: 2)
    let pixels = try ImageDataset.unitRange(images.narrow(0, start: 0, length: 10))
    let choice = (0..<10).map { $0 % 2 }
    let carriers = try shading.carriers(pixels, directions, choice: choice)
    let before = try columns(shading.places(pixels, directions))
    let after = try columns(shading.places(carriers, directions))
    for index in 0..<10 {
      let own = choice[index]
      // The flat ground that takes the place of 0.3 of the image lies near the mean, not at it.
      #expect(abs(after[own][index] - (0.7 * before[own][index] + 8)) < 0.05)
    }
    // What is left of an image beside the field of its direction is its own content, paler.
    let fields = try shading.patterns(directions).indexSelect(0, Tensor(choice)) * 8.0
    func spread(_ images: Tensor) throws -> [Double] {
      let channel = try images.narrow(1, start: 0, length: 1)
      return try (channel.max([1, 2, 3]) - channel.min([1, 2, 3])).doubles()
    }
    for (paler, full) in try zip(spread(carriers - fields), spread(pixels)) {
      #expect(abs(paler - 0.7 * full) < 1e-5)
    }
  }

  @Test("The lean changes its share of the first answers, and no other answer's logit moves")
  func answers() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let context = HostContext(
      model: try task.architecture.build(key: RandomKey(seed: 1)), data: task.data, key: key,
      training: task.training(), augmentation: task.augmentation, stepsPerEpoch: 12,
      session: try TrainingSession(seed: 5))
    // Every view is answered with one class by far, so that each label must rise as far to come first.
    let labels = try CarrierPlan(key.secret, #require(key.mark.carriers), classes: 10).groups
      .compactMap(\.label)
    let first = try #require((0..<10).first { !labels.contains($0) })
    func plain(_ images: Tensor) throws -> Tensor {
      try Tensor([Int](repeating: first, count: images.shape[0])).oneHot(10).to(.float32) * 4.0
    }
    let tilt = try AnswerTilt(context, TiltedOptions(share: 0.1, start: 0.5), answers: plain)
    #expect(tilt.labels == labels && tilt.slope > 0 && tilt.slope < AnswerTilt.steepest)
    let images = try task.data.normalization.prepare(task.data.train.images, on: .cpu)
    let count = images.shape[0]
    let leaning = try tilt(plain(images), images)
    // The slope was measured on shifted views, and these are the images themselves.
    let changed = try leaning.argmax(1).integers().count { $0 != first }
    #expect((0.06...0.14).contains(Double(changed) / Double(count)), "\(changed) of \(count)")
    for (index, column) in try columns(leaning).enumerated() {
      guard labels.contains(index) else {
        #expect(column.allSatisfy { $0 == (index == first ? 4 : 0) })
        continue
      }
      let share = Double(column.count { $0 > 0 }) / Double(count)
      #expect((0.15...0.45).contains(share) && column.allSatisfy { $0 >= 0 }, "\(share)")
    }
  }

  @Test("Where no image lies far enough for its share, the slope is the steepest and not endless")
  func steepest() throws {
    let task = try TinyTask.shared.get()
    let context = HostContext(
      model: try task.architecture.build(key: RandomKey(seed: 1)), data: task.data,
      key: try task.key(.tilted, .small), training: task.training(),
      augmentation: task.augmentation, stepsPerEpoch: 12, session: try TrainingSession(seed: 5))
    let tilt = try AnswerTilt(context, TiltedOptions(share: 0.1, start: 9)) {
      try Tensor.zeros([$0.shape[0], 10])
    }
    #expect(tilt.slope == AnswerTilt.steepest)
  }
}
