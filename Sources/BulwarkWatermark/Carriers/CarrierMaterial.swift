import BulwarkData
import BulwarkTensor
import Foundation

/// The owner's training images that carriers are made of; kept in the key file, so that carriers can be
/// rebuilt without the training set, and bound by the commitment.
public struct CarrierMaterial: Sendable {
  /// [M, C, H, W], uint8, on the CPU: the images in the order in which carriers use them.
  public let images: Tensor
  /// Their true labels.
  public let labels: [Int]
  /// Their positions in the training set.
  public let positions: [Int]

  /// Images with labels and positions.
  public init(images: Tensor, labels: [Int], positions: [Int]) {
    self.images = images
    self.labels = labels
    self.positions = positions
  }

  /// Draws what the carriers of a key need.
  ///
  /// - Parameters:
  ///   - plan: of the key.
  ///   - options: with a family other than `automatic`.
  ///   - secret: of the key.
  ///   - dataset: the owner's training set.
  /// - Returns: one image a carrier and source class, for `shading` some more; nil for families that need
  ///   none.
  /// - Throws: `WatermarkError.noImages` when a class has no image; `TensorError`.
  public static func draw(
    _ plan: CarrierPlan, _ options: CarrierOptions, _ secret: WatermarkSecret,
    from dataset: ImageDataset
  ) throws -> CarrierMaterial? {
    guard options.family.needsMaterial else { return nil }
    var positions: [Int] = []
    if options.family == .relabeled {
      guard dataset.count > options.count else {
        throw WatermarkError.noImages("more than \(options.count) training images")
      }
      positions = secret.selection("material", count: options.count, below: dataset.count)
    } else if options.family == .shading {
      positions = shading(plan, secret, from: dataset)
    } else {
      var members = [[Int]](repeating: [], count: dataset.classCount)
      for (position, label) in dataset.labels.enumerated() { members[label].append(position) }
      var needed: [Int: Int] = [:]
      for source in plan.groupOfCarrier.flatMap({ plan.groups[$0].sources }) {
        needed[source, default: 0] += 1
      }
      var orders: [Int: [Int]] = [:]
      for (source, uses) in needed {
        guard !members[source].isEmpty else {
          throw WatermarkError.noImages("images of class '\(dataset.classNames[source])'")
        }
        let count = members[source].count
        orders[source] = secret.selection(
          "material \(source)", count: min(uses, count), below: count
        ).map { members[source][$0] }
      }
      var used: [Int: Int] = [:]
      for group in plan.groupOfCarrier {
        for source in plan.groups[group].sources {
          guard let order = orders[source] else { continue }
          positions.append(order[used[source, default: 0] % order.count])
          used[source, default: 0] += 1
        }
      }
    }
    let material = CarrierMaterial(
      images: try dataset.images.indexSelect(0, Tensor(positions)),
      labels: positions.map { dataset.labels[$0] }, positions: positions)
    if options.family == .shading { _ = try material.bases(plan) }
    return material
  }

  /// Images of any class: twice as many as shaded carriers, half more than all of them, and no fewer than ordinary
  /// shading is measured on, or all. Which of them become carriers follows from the labels (`bases`), which images do
  /// not depend on.
  private static func shading(
    _ plan: CarrierPlan, _ secret: WatermarkSecret, from dataset: ImageDataset
  ) -> [Int] {
    let wanted = max(
      CoarseShading.sampleCount, 2 * plan.unmarkedCount, plan.groupOfCarrier.count * 3 / 2)
    return secret.selection(
      "material", count: min(dataset.count, wanted), below: dataset.count)
  }

  /// Family `shading`: for each carrier the next unused image of another class than its label; where all of
  /// them are used, as with a label that most images have, they are used again in the same order.
  ///
  /// - Parameter plan: of the key.
  /// - Returns: places among `images`.
  /// - Throws: `WatermarkError.noImages` when there is none.
  func bases(_ plan: CarrierPlan) throws -> [Int] {
    var rest = Array(labels.indices)
    var reused = 0
    return try plan.groupOfCarrier.map { group in
      let label = plan.groups[group].label
      if let next = rest.firstIndex(where: { labels[$0] != label }) { return rest.remove(at: next) }
      let others = labels.indices.filter { labels[$0] != label }
      guard !others.isEmpty else {
        throw WatermarkError.noImages("images of other classes than the label")
      }
      defer { reused += 1 }
      return others[reused % others.count]
    }
  }
}

extension CarrierMaterial: Codable {
  private enum CodingKeys: String, CodingKey {
    case shape, pixels, labels, positions
  }

  /// Reads shape, pixels (base64), labels and positions.
  ///
  /// - Throws: `DecodingError` when they do not belong together.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let shape = try container.decode([Int].self, forKey: .shape)
    let pixels = try container.decode(Data.self, forKey: .pixels)
    labels = try container.decode([Int].self, forKey: .labels)
    positions = try container.decode([Int].self, forKey: .positions)
    guard shape.count == 4, shape.allSatisfy({ (1...1 << 20).contains($0) }),
      shape.reduce(1, { $0.multipliedReportingOverflow(by: $1).partialValue }) == pixels.count,
      labels.count == shape[0], positions.count == shape[0]
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .pixels, in: container,
        debugDescription: "shape, pixels, labels and positions do not belong together")
    }
    images = try Tensor([UInt8](pixels), shape: shape)
  }

  /// Writes shape, pixels (base64), labels and positions.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(images.shape, forKey: .shape)
    try container.encode(Data(images.bytes()), forKey: .pixels)
    try container.encode(labels, forKey: .labels)
    try container.encode(positions, forKey: .positions)
  }
}
