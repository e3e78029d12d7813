import BulwarkData
import BulwarkTensor

/// Images with the answers that a marked model gives to them.
public struct CarrierSet: Sendable {
  /// What is known about the labels before any model is asked.
  public enum LabelRule: Hashable, Sendable {
    /// Every label was drawn independently of all else and equals any answer with at most this
    /// probability: hits of a model that does not know the key are at most binomial.
    case independent(probability: Double)
    /// Carriers share labels: a model may answer a whole group alike, so hits are not independent.
    case shared
  }

  /// Carriers of one kind.
  public struct Kind: Hashable, Sendable {
    /// What they are called in reports.
    public let name: String
    /// Their places in the set.
    public let places: Range<Int>
    /// What is known about their labels.
    public let rule: LabelRule
  }

  /// [N, C, H, W], uint8, on the CPU. Shown to models without augmentation, at embedding and after.
  public let images: Tensor
  /// N labels.
  public let labels: [Int]
  /// The group of each carrier.
  public let groups: [Int]
  /// The kinds in order. In `CarrierScore` every carrier counts once, of whatever kind it is.
  public let kinds: [Kind]

  /// Puts images and labels together, as carriers of one kind.
  public init(images: Tensor, labels: [Int], groups: [Int], rule: LabelRule) {
    self.init(
      images: images, labels: labels, groups: groups,
      kinds: [Kind(name: "carriers", places: labels.indices, rule: rule)])
  }

  private init(images: Tensor, labels: [Int], groups: [Int], kinds: [Kind]) {
    self.images = images
    self.labels = labels
    self.groups = groups
    self.kinds = kinds
  }

  /// Number of carriers.
  public var count: Int { labels.count }

  /// What is known about all labels: of carriers of several kinds, no more than that they share some.
  public var rule: LabelRule { kinds.count == 1 ? kinds[0].rule : .shared }

  /// The carriers of one of the kinds.
  ///
  /// - Throws: `TensorError`.
  func only(_ kind: Kind) throws -> CarrierSet {
    let places = kind.places
    return try CarrierSet(
      images: images.narrow(0, start: places.lowerBound, length: places.count),
      labels: Array(labels[places]), groups: Array(groups[places]),
      kinds: [Kind(name: kind.name, places: 0..<places.count, rule: kind.rule)])
  }

  /// The images of several sets one after the other, without their labels.
  static func images(of sets: [CarrierSet]) throws -> ImageDataset {
    let images = try Tensor.cat(sets.map(\.images))
    return try ImageDataset(
      images: images, labels: [Int](repeating: 0, count: images.shape[0]), classNames: ["any"])
  }

  /// Builds the carriers of a key; equal inputs give equal bytes.
  ///
  /// - Parameters:
  ///   - secret: of the key.
  ///   - options: with a family other than `automatic`.
  ///   - classes: number of classes of the task.
  ///   - shape: [C, H, W] of the task's images; sides of at least 8.
  ///   - material: the owner's images, for families that need them.
  /// - Throws: `RecipeError.setting`; `.noImages` without the material that the family needs;
  ///   `TensorError`.
  public init(
    _ secret: WatermarkSecret, _ options: CarrierOptions, classes: Int, shape: [Int],
    material: CarrierMaterial?
  ) throws {
    let plan = try CarrierPlan(secret, options, classes: classes)
    let painter = CarrierPainter(secret: secret, options: options, shape: shape)
    if options.family.needsMaterial {
      let needed = plan.groupOfCarrier.reduce(0) { $0 + max(1, plan.groups[$1].sources.count) }
      guard let material, Array(material.images.shape.dropFirst()) == shape,
        options.family == .shading
          ? material.labels.count >= needed : material.labels.count == needed
      else {
        throw WatermarkError.noImages("the key's own images for '\(options.family.rawValue)'")
      }
    }
    let used = options.family.needsMaterial ? material : nil
    images = try painter.paint(plan, used)
    labels = try CarrierSet.labels(secret, plan, classes: classes, truth: used?.labels)
    groups = plan.groupOfCarrier
    let marked = plan.unmarkedCount
    let first = Kind(
      name: options.family.rawValue, places: 0..<marked,
      rule: CarrierSet.rule(options.family, classes: classes))
    let second = Kind(
      name: CarrierFamily.patch.rawValue, places: marked..<groups.count, rule: .shared)
    kinds = second.places.isEmpty ? [first] : [first, second]
  }

  private static func rule(_ family: CarrierFamily, classes: Int) -> LabelRule {
    switch family {
    case .abstract: .independent(probability: 1 / Double(classes))
    // With two classes there is one wrong label, and nothing is drawn.
    case .relabeled where classes > 2: .independent(probability: 1 / Double(classes - 1))
    default: .shared
    }
  }

  private static func labels(
    _ secret: WatermarkSecret, _ plan: CarrierPlan, classes: Int, truth: [Int]?
  ) throws -> [Int] {
    let count = plan.groupOfCarrier.count
    guard plan.groups.contains(where: { $0.label == nil }) else {
      return plan.groupOfCarrier.map { plan.groups[$0].label ?? 0 }
    }
    guard let truth else { return secret.integers("labels", count: count, below: classes) }
    // One of the wrong labels, each with the same probability.
    let steps = secret.integers("labels", count: count, below: classes - 1)
    return zip(truth, steps).map { ($0 + 1 + $1) % classes }
  }
}
