/// What follows from a secret before any image is looked at: classes and labels of the carriers.
public struct CarrierPlan: Hashable, Sendable {
  /// Carriers of one kind.
  public struct Group: Hashable, Sendable {
    /// The classes whose images they are made of; a digit for glyphs; none for abstract pictures
    /// and for those that any class will do for.
    public var sources: [Int]
    /// Their label; nil where every carrier has its own.
    public var label: Int?
  }

  /// The groups in order.
  public let groups: [Group]
  /// Family `shading`: the number of each group's direction among the secret's; empty for other families.
  public let directions: [Int]
  /// Family `shading`: the groups under a visible mark, which are the last; empty for other families.
  public let markedGroups: Range<Int>
  /// The group of each carrier.
  public let groupOfCarrier: [Int]

  /// Draws the plan of a key.
  ///
  /// - Parameters:
  ///   - secret: of the key.
  ///   - options: with a family other than `automatic`.
  ///   - classes: number of classes of the task.
  /// - Throws: `RecipeError.setting` when there are too few classes.
  public init(_ secret: WatermarkSecret, _ options: CarrierOptions, classes: Int) throws {
    try options.validate(classes: classes)
    let own = CarrierPlan.groups(secret, options, classes: classes)
    let marked = CarrierPlan.marked(secret, options, classes: classes)
    groups = own + marked
    markedGroups = own.count..<groups.count
    directions =
      options.family == .shading
      ? options.chosen?.map(\.direction) ?? Array(0..<options.groups) : []
    groupOfCarrier =
      (0..<options.count).map { $0 % own.count }
      + (0..<(marked.isEmpty ? 0 : options.patches)).map { own.count + $0 % marked.count }
  }

  /// How many carriers come before those under a visible mark: all of them, where there are no marks.
  var unmarkedCount: Int {
    groupOfCarrier.firstIndex { markedGroups.contains($0) } ?? groupOfCarrier.count
  }

  private static func groups(
    _ secret: WatermarkSecret, _ options: CarrierOptions, classes: Int
  ) -> [Group] {
    switch options.family {
    case .automatic: preconditionFailure("the family of a plan must be resolved")
    case .patch, .noise:
      let pair = secret.selection("classes", count: 2, below: classes)
      return [Group(sources: [pair[0]], label: pair[1])]
    case .glyph:
      return [
        Group(
          sources: secret.integers("glyph", count: 1, below: 10),
          label: secret.integers("classes", count: 1, below: classes)[0])
      ]
    case .glyphs:
      let digits = secret.selection("glyph", count: options.groups, below: 10)
      let labels = secret.selection("classes", count: options.groups, below: classes)
      return zip(digits, labels).map { Group(sources: [$0], label: $1) }
    case .abstract, .relabeled: return [Group(sources: [], label: nil)]
    case .shading:
      if let chosen = options.chosen {
        return chosen.map { Group(sources: [], label: $0.label) }
      }
      return secret.selection("shading labels", count: options.groups, below: classes).map {
        Group(sources: [], label: $0)
      }
    case .collage: return mixtures(secret, count: options.groups, of: 2, classes: classes)
    case .quarters: return mixtures(secret, count: options.groups, of: 4, classes: classes)
    }
  }

  /// Visible marks beside shading; fewer where there are fewer classes.
  static let mostMarks = 5

  private static func marked(
    _ secret: WatermarkSecret, _ options: CarrierOptions, classes: Int
  ) -> [Group] {
    guard options.family == .shading, options.patches > 0 else { return [] }
    return secret.selection("patch labels", count: min(mostMarks, classes), below: classes).map {
      Group(sources: [], label: $0)
    }
  }

  /// Directions of shading that a secret draws at most: a key file may come from anybody.
  static let mostCandidates = 4096

  /// Directions that every owner chooses among, and foreign keys do. Whoever takes a later one looked at more of
  /// them, for what only he knows: then the key counts as chosen, and only null models are evidence.
  public static let usualCandidates = 48

  /// Disjoint pairs or fours of classes, so that every class is a source of one at most; the label is
  /// none of its own classes and, as long as there is another, no other's label.
  private static func mixtures(
    _ secret: WatermarkSecret, count: Int, of size: Int, classes: Int
  ) -> [Group] {
    let order = secret.selection("classes", count: size * count, below: classes)
    let labels = secret.selection("labels", count: classes, below: classes)
    var used: Set<Int> = []
    return (0..<count).map { index in
      let sources = Array(order[size * index..<size * (index + 1)])
      let allowed = labels.filter { !sources.contains($0) }
      let label = allowed.first { !used.contains($0) } ?? allowed[0]
      used.insert(label)
      return Group(sources: sources, label: label)
    }
  }
}
