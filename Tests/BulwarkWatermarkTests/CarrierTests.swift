import BulwarkData
import BulwarkTensor
import Foundation
import BulwarkTraining
import Testing

@testable import BulwarkWatermark

@Suite("Carriers")
struct CarrierTests {
  private static let families = CarrierFamily.allCases.filter { $0 != .automatic }

  private func colors() throws -> ImageDataset {
    try ImageDataset(
      images: RandomKey(seed: 3).integers([60, 3, 16, 16], below: 256).to(.uint8),
      labels: (0..<60).map { $0 % 10 }, classNames: (0..<10).map(String.init))
  }

  private func carriers(
    _ family: CarrierFamily, _ index: Int = 0, from dataset: ImageDataset, count: Int = 24,
    patches: Int = 0
  ) throws -> (CarrierSet, CarrierPlan, CarrierMaterial?) {
    let options = CarrierOptions(
      family: family, count: count, groups: family == .quarters ? 2 : 3, patches: patches)
    let secret = WatermarkSecret.published("carriers", index)
    let plan = try CarrierPlan(secret, options, classes: dataset.classCount)
    let material = try CarrierMaterial.draw(plan, options, secret, from: dataset)
    let set = try CarrierSet(
      secret, options, classes: dataset.classCount,
      shape: Array(dataset.images.shape.dropFirst()), material: material)
    return (set, plan, material)
  }

  @Test("Every family follows from the secret alone, in gray and in color", arguments: families)
  func deterministic(_ family: CarrierFamily) throws {
    for dataset in [try TinyTask.shared.get().data.train, try colors()] {
      let (first, _, _) = try carriers(family, from: dataset)
      #expect(first.images.shape == [24] + dataset.images.shape.dropFirst())
      #expect(first.images.dtype == .uint8)
      #expect(first.labels.allSatisfy { (0..<10).contains($0) })
      let (again, _, _) = try carriers(family, from: dataset)
      #expect(try first.images.bytes() == again.images.bytes() && first.labels == again.labels)
      let (other, _, _) = try carriers(family, 1, from: dataset)
      #expect(try first.images.bytes() != other.images.bytes())
      // Where a class has fewer images than there are carriers they come again.
      let pictures = try (0..<24).map { try first.images.narrow(0, start: $0, length: 1).bytes() }
      #expect(Set(pictures).count >= 6)
    }
  }

  @Test("With two classes the one wrong label is no draw, and no binomial stands on it")
  func twoClasses() throws {
    let set = try colors()
    let two = try ImageDataset(
      images: set.images, labels: set.labels.map { $0 % 2 }, classNames: ["a", "b"])
    let options = CarrierOptions(family: .relabeled, count: 24)
    let secret = WatermarkSecret.published("carriers", 0)
    let plan = try CarrierPlan(secret, options, classes: 2)
    let material = try CarrierMaterial.draw(plan, options, secret, from: two)
    let carriers = try CarrierSet(
      secret, options, classes: 2, shape: Array(set.images.shape.dropFirst()), material: material)
    #expect(carriers.rule == .shared)
  }

  @Test("Labels are never those of the sources, and only random labels count as independent")
  func labels() throws {
    let dataset = try colors()
    for index in 0..<20 {
      for family in Self.families {
        let (set, plan, material) = try carriers(family, index, from: dataset)
        switch family {
        case .abstract: #expect(set.rule == .independent(probability: 0.1))
        case .relabeled:
          #expect(set.rule == .independent(probability: 1 / 9.0))
          #expect(zip(set.labels, material?.labels ?? []).allSatisfy { $0 != $1 })
        case .patch, .noise, .collage, .quarters:
          #expect(set.rule == .shared)
          for group in plan.groups { #expect(!group.sources.contains(group.label ?? -1)) }
        default: #expect(set.rule == .shared)
        }
      }
      let (_, plan, _) = try carriers(.collage, index, from: dataset)
      let sources = plan.groups.flatMap(\.sources)
      #expect(sources.count == 6 && Set(sources).count == 6)
      #expect(Set(plan.groups.compactMap(\.label)).count == 3)
      let (_, fours, _) = try carriers(.quarters, index, from: dataset)
      #expect(fours.groups.map(\.sources.count) == [4, 4])
      #expect(Set(fours.groups.flatMap(\.sources)).count == 8)
      #expect(Set(fours.groups.compactMap(\.label)).count == 2)
    }
  }

  @Test("A collage shows a strip of each of its two classes, side by side")
  func collage() throws {
    let dataset = try colors()
    let (set, plan, material) = try carriers(.collage, from: dataset)
    let owned = try #require(material)
    for carrier in 0..<set.count {
      let sources = plan.groups[plan.groupOfCarrier[carrier]].sources
      #expect(owned.labels[2 * carrier] == sources[0])
      #expect(owned.labels[2 * carrier + 1] == sources[1])
      func strips(_ image: Int) throws -> Set<[UInt8]> {
        Set(
          try (0...8).map {
            try owned.images.narrow(0, start: image, length: 1).narrow(3, start: $0, length: 8)
              .contiguous().bytes()
          })
      }
      let picture = try set.images.narrow(0, start: carrier, length: 1)
      let left = try picture.narrow(3, start: 0, length: 8).contiguous().bytes()
      let right = try picture.narrow(3, start: 8, length: 8).contiguous().bytes()
      let (a, b) = (try strips(2 * carrier), try strips(2 * carrier + 1))
      #expect((a.contains(left) && b.contains(right)) || (b.contains(left) && a.contains(right)))
    }
  }

  @Test("Quarters show a piece of each of four classes, one in each quarter")
  func quarters() throws {
    let dataset = try colors()
    let (set, plan, material) = try carriers(.quarters, from: dataset)
    let owned = try #require(material)
    var orders: Set<[Int]> = []
    func piece(_ image: Tensor, _ row: Int, _ column: Int) throws -> [UInt8] {
      try image.narrow(2, start: row, length: 8).narrow(3, start: column, length: 8)
        .contiguous().bytes()
    }
    for carrier in 0..<set.count {
      let sources = plan.groups[plan.groupOfCarrier[carrier]].sources
      #expect(owned.labels[4 * carrier..<4 * carrier + 4].elementsEqual(sources))
      let pieces = try (0..<4).map { source in
        let image = try owned.images.narrow(0, start: 4 * carrier + source, length: 1)
        return Set(
          try (0...8).flatMap { row in try (0...8).map { try piece(image, row, $0) } })
      }
      let picture = try set.images.narrow(0, start: carrier, length: 1)
      let order = try [(0, 0), (0, 8), (8, 0), (8, 8)].compactMap { place in
        let shown = try piece(picture, place.0, place.1)
        return pieces.firstIndex { $0.contains(shown) }
      }
      #expect(Set(order) == [0, 1, 2, 3])
      orders.insert(order)
    }
    #expect(orders.count > 5)
  }

  @Test(
    "Shaded carriers are paler images of other classes than the label, moved by eight deviations")
  func shading() throws {
    // Pictures around a middle gray, so that none leaves the range of pixels.
    let gray = try ImageDataset(
      images: (RandomKey(seed: 3).integers([600, 3, 16, 16], below: 16) + 120).to(.uint8),
      labels: (0..<600).map { $0 % 10 }, classNames: (0..<10).map(String.init))
    let (set, plan, material) = try carriers(.shading, from: gray)
    let owned = try #require(material)
    #expect(owned.labels.count == 256 && Set(owned.positions).count == 256)
    #expect(plan.groups.count == 3 && Set(plan.groups.compactMap(\.label)).count == 3)
    let bases = try owned.bases(plan)
    #expect(Set(bases).count == 24)
    #expect(zip(set.labels, bases).allSatisfy { $0 != owned.labels[$1] })
    let shading = try CoarseShading(owned.images)
    let directions = shading.directions(.published("carriers", 0), [0, 1, 2])
    func places(_ images: Tensor) throws -> [Double] {
      try shading.ruler(directions, on: .cpu)(ImageDataset.unitRange(images)).doubles()
    }
    let (before, after) = try (
      places(owned.images.indexSelect(0, Tensor(bases))), places(set.images)
    )
    for (carrier, group) in plan.groupOfCarrier.enumerated() {
      // Pixels are rounded to 1/255, a tenth of a deviation of such pictures.
      let index = 3 * carrier + group
      #expect(abs(after[index] - 0.7 * before[index] - 8) < 0.5)
    }
    #expect(throws: WatermarkError.self) {
      try carriers(.shading, from: gray.subset(Array(0..<20)))
    }
  }

  @Test(
    "Beside shaded images stand others under marks, each mark with a place and a label of its own")
  func patches() throws {
    let dataset = try colors()
    let (plain, _, _) = try carriers(.shading, from: dataset)
    let (set, plan, material) = try carriers(.shading, from: dataset, patches: 20)
    let owned = try #require(material)
    #expect(set.kinds.map(\.name) == ["shading", "patch"])
    #expect(set.kinds.map(\.places) == [0..<24, 24..<44] && set.rule == .shared)
    let (shaded, marked) = (try set.only(set.kinds[0]), try set.only(set.kinds[1]))
    // Marks change nothing in what is shaded.
    #expect(try shaded.images.bytes() == plain.images.bytes() && shaded.labels == plain.labels)
    #expect(plan.markedGroups == 3..<8)
    #expect(Set(plan.markedGroups.map { plan.groups[$0].label }).count == 5)
    let bases = Array(try owned.bases(plan).dropFirst(24))
    #expect(zip(marked.labels, bases).allSatisfy { $0 != owned.labels[$1] })
    // Where an image differs from the one it was made of, by group: within one strip of 4 by 8.
    var pixels = [Int: [[UInt8]]](), places = [Int: Set<Int>]()
    for (carrier, base) in bases.enumerated() {
      let picture = try marked.images.narrow(0, start: carrier, length: 1).bytes()
      let before = try owned.images.narrow(0, start: base, length: 1).bytes()
      let changed = picture.indices.filter { picture[$0] != before[$0] }
      pixels[marked.groups[carrier], default: []].append(picture)
      places[marked.groups[carrier], default: []].formUnion(changed)
    }
    #expect(pixels.count == 5 && pixels.values.allSatisfy { $0.count == 4 })
    for (group, changed) in places {
      let (rows, columns) = (changed.map { $0 % 256 / 16 }, changed.map { $0 % 16 })
      #expect((rows.max() ?? 16) - (rows.min() ?? 0) < 4)
      #expect((columns.max() ?? 16) - (columns.min() ?? 0) < 8)
      // The same black and white on all images of the group.
      for place in changed {
        let values = Set((pixels[group] ?? []).map { $0[place] })
        #expect(values == [0] || values == [255])
      }
    }
    #expect(Set(places.values).count == 5)
  }

  @Test("Every carrier counts once in the score, and each kind is counted by itself")
  func kinds() throws {
    let (set, _, _) = try carriers(.shading, from: colors(), patches: 8)
    let normalization = Normalize(mean: [0, 0, 0], deviation: [1, 1, 1])
    // Certain of every shaded label, of half of the marked ones and of another class else.
    let answers = set.labels.enumerated().map { place, label in
      place < 28 ? label : (label + 1) % 10
    }
    let logits = try Tensor(answers).oneHot(10).to(.float32) * 100.0
    let probability = CarrierScore(set, normalization: normalization, access: .logits)
    #expect(try abs(probability.value(logits, temperature: 1) - 28.0 / 32) < 1e-9)
    let hits = CarrierScore(set, normalization: normalization, access: .labels)
    #expect(try abs(hits.value(logits, temperature: 1) - 28.0 / 32) < 1e-6)
    let kinds = try hits.hitsByKind()
    #expect(kinds.map(\.kind) == ["shading", "patch"] && kinds.map(\.score.count) == [24, 8])
    let own = try logits.narrow(0, start: 24, length: 8)
    #expect(try kinds[1].score.value(own, temperature: 1) == 0.5)
    let (one, _, _) = try carriers(.abstract, from: colors())
    #expect(
      try CarrierScore(one, normalization: normalization, access: .labels).hitsByKind().isEmpty)
  }

  @Test("A mark covers an eighth of the image and leaves the rest as it was")
  func patch() throws {
    let dataset = try colors()
    let (set, _, material) = try carriers(.patch, from: dataset)
    let (marked, plain) = (try set.images.bytes(), try #require(material).images.bytes())
    let changed = zip(marked, plain).count { $0 != $1 }
    let covered = 24 * 3 * 4 * 8
    #expect(changed <= covered && changed > covered * 9 / 10)
  }

  @Test("Families that the classes do not suffice for are refused with the setting's name")
  func refused() throws {
    let secret = WatermarkSecret.published("carriers", 0)
    #expect(throws: RecipeError.self) {
      try CarrierPlan(secret, CarrierOptions(family: .collage, groups: 2), classes: 3)
    }
    #expect(throws: RecipeError.self) {
      try CarrierPlan(secret, CarrierOptions(family: .quarters, groups: 3), classes: 10)
    }
    #expect(throws: RecipeError.self) { try CarrierOptions(count: 0).validate() }
    #expect(throws: RecipeError.self) { try CarrierOptions(opacity: 0).validate() }
    let options = CarrierOptions(family: .patch, count: 5)
    #expect(throws: WatermarkError.self) {
      try CarrierSet(secret, options, classes: 10, shape: [1, 16, 16], material: nil)
    }
  }
}

@Suite("Images that become carriers of shading")
struct ShadingBasesTests {
  @Test("Where one class has nearly all images, keys with its label use the others again and again")
  func fewOthers() throws {
    let task = try TinyTask.shared.get()
    let train = task.data.train
    // Six images that are not of class 0.
    let skewed = try train.relabeled(train.labels.indices.map { $0 < 6 ? 1 + $0 % 3 : 0 })
    for index in 0..<20 {
      let key = try WatermarkKey(
        secret: .published("skewed", index), owner: "owner", mark: task.mark(.tilted, .small),
        train: skewed)
      let (carriers, material) = (try #require(try key.carriers()), try #require(key.material))
      #expect(carriers.count == 45)
      let plan = try CarrierPlan(key.secret, #require(key.mark.carriers), classes: 10)
      for (base, label) in zip(try material.bases(plan), carriers.labels) {
        #expect(material.labels[base] != label)
      }
    }
    let single = try train.relabeled([Int](repeating: 0, count: train.count))
    #expect(throws: WatermarkError.self) {
      for index in 0..<40 {
        _ = try WatermarkKey(
          secret: .published("single", index), owner: "owner", mark: task.mark(.tilted, .small),
          train: single)
      }
    }
  }
}
