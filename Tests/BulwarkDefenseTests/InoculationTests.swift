import BulwarkData
import BulwarkTensor
import Testing

@testable import BulwarkDefense

@Suite("What sets a clique apart")
struct InoculationTests {
  /// Two classes of 40 and 30 noise images of one channel, 4×4; the first 20 lie under 100 more in column 1.
  private func images() throws -> ImageDataset {
    let noise = try RandomKey(seed: 1).uniform([70, 1, 4, 4], from: 20, to: 60)
    var stripe = [Float](repeating: 0, count: 70 * 16)
    for index in 0..<20 * 16 where index % 4 == 1 { stripe[index] = 100 }
    return try ImageDataset(
      images: (noise + Tensor(stripe, shape: [70, 1, 4, 4])).to(.uint8),
      labels: (0..<70).map { $0 < 40 ? 0 : 1 }, classNames: ["a", "b"])
  }

  @Test("The difference to the rest of the class is the trigger, without the class")
  func difference() throws {
    let found = try Inoculation(images(), quarantine: Array(0..<20)).differences
    #expect(found.count == 1 && found[0].shape == [1, 1, 4, 4])
    for (index, value) in try found[0].floats().enumerated() {
      // Noise of ±20 in two means of 20: deviation 3.7.
      #expect(abs(value - (index % 4 == 1 ? 100 : 0)) < 16)
    }
  }

  @Test("It is laid over the given share of a batch, weaker and stronger, and stays in 0...255")
  func applied() throws {
    let data = try images()
    let inoculation = try Inoculation(data, quarantine: Array(0..<20))
    let plain = try Tensor.full([8, 1, 4, 4], 200).to(.uint8)
    let changed = try inoculation.applied(to: plain, share: 0.5, key: RandomKey(seed: 2))
    #expect(changed.dtype == .uint8 && changed.shape == plain.shape)
    let values = try changed.bytes()
    #expect(values[64...].allSatisfy { $0 == 200 })
    let darker = try inoculation.applied(
      to: Tensor.full([8, 1, 4, 4], 20).to(.uint8), share: 1, key: RandomKey(seed: 2)
    ).bytes()
    let strengths = Set((0..<8).map { darker[$0 * 16 + 1] })
    #expect(strengths.count > 4)
    #expect(strengths.allSatisfy { $0 > 20 + 40 && $0 < 20 + 175 })
    #expect((0..<4).allSatisfy { values[$0 * 16 + 1] >= 240 }, "200 and about 100, cut off at 255")
  }

  @Test("Of a tiny share one image carries a difference, of each class in its turn")
  func few() throws {
    let inoculation = try Inoculation(images(), quarantine: Array(0..<20) + Array(40..<50))
    #expect(inoculation.differences.count == 2)
    let plain = try Tensor.full([4, 1, 4, 4], 100).to(.uint8)
    let changed = try (0..<20).map {
      try inoculation.applied(to: plain, share: 0.01, key: RandomKey(seed: 3).step($0)).bytes()
    }
    #expect(changed.allSatisfy { $0[16...].allSatisfy { $0 == 100 } })
    // The first class has a stripe of 100 that the second has not.
    let striped = changed.count { $0[1] > 140 }
    #expect(striped > 3 && striped < 17)
  }

  @Test("Without a clique, or of a class that is one, there is nothing to lay over")
  func nothing() throws {
    let data = try images()
    let plain = try Tensor.full([2, 1, 4, 4], 90).to(.uint8)
    for cliques in [[], Array(40..<70)] {
      let inoculation = try Inoculation(data, quarantine: cliques)
      #expect(inoculation.differences.isEmpty)
      let same = try inoculation.applied(to: plain, share: 0.5, key: RandomKey(seed: 2))
      #expect(try same.bytes() == plain.bytes())
    }
  }
}
