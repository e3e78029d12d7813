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

  @Test("A label comes first for its share of the images, and no other answer changes its logit")
  func answers() throws {
    let task = try TinyTask.shared.get()
    let key = try task.key(.tilted, .small)
    let context = HostContext(
      model: try task.architecture.build(key: RandomKey(seed: 1)), data: task.data, key: key,
      training: task.training(), augmentation: task.augmentation, stepsPerEpoch: 12,
      session: try TrainingSession(seed: 5))
    let tilt = try AnswerTilt(context, TiltedOptions(share: 0.1))
    let images = try task.data.normalization.prepare(task.data.train.images, on: .cpu)
    // Every image is answered with class 9 by far, so that each label must rise as far to come first.
    let labels = try CarrierPlan(key.secret, #require(key.mark.carriers), classes: 10).groups
      .compactMap(\.label)
    let first = try #require((0..<10).first { !labels.contains($0) })
    let plain = try Tensor([Int](repeating: first, count: 300)).oneHot(10).to(.float32) * 8.0
    let rows = try columns(tilt(plain, images))
    for (index, column) in rows.enumerated() {
      guard labels.contains(index) else {
        #expect(column.allSatisfy { $0 == (index == first ? 8 : 0) })
        continue
      }
      // A tenth of 300 images at or beyond 8, half of them above 0, none above 1.5 times 8.
      #expect((30...31).contains(column.count { $0 >= 8 - 1e-3 }))
      #expect((140...150).contains(column.count { $0 > 0 }))
      #expect(column.allSatisfy { $0 >= 0 && $0 <= 12 })
    }
  }
}
