import BulwarkTensor
import BulwarkTraining

/// Chooses a key's directions among those that its secret draws, each with a label: those whose label an
/// unmarked network nearly gives to carriers, but does not.
///
/// Unmarked networks of a task answer far shading much alike, however they were trained, and a student
/// learns only some of the lean. Where the label is far behind the natural answer, the carriers of a
/// direction are lost all together, whatever the host does; where it is close behind, they are not. A label
/// that comes first anyway is not taken: it would survive and say nothing. Even so any model likes a chosen
/// key better than a drawn one, a little: foreign keys are therefore chosen in the same way (`ForeignKeys`).
struct DirectionChoice {
  /// Images that the best directions are tried on.
  static let imageCount = 32
  /// Images that all directions are tried on first, and for how many the others follow.
  static let (firstImages, finalists) = (8, 12)
  /// Share of its carriers that an unmarked network may answer with a candidate's label.
  static let naturalShare = 0.1
  /// Pictures that are asked about together.
  private static let picturesAtOnce = 256

  /// A direction and a label as the unmarked network sees their carriers.
  struct Candidate {
    var place: LabeledDirection
    /// Share that it answers with the label.
    var natural: Double
    /// Share where the label lacks at most `reach` to come first, these included.
    var reached: Double

    /// What a lean can bring. Labels that come first by themselves are worth less than nothing.
    var worth: Double {
      reached - natural - 2 * max(0, natural - DirectionChoice.naturalShare)
    }
  }

  /// The chosen candidates, one for each group, with directions and labels that differ.
  let chosen: [Candidate]

  /// Tries every direction with every label.
  ///
  /// - Parameters:
  ///   - key: whose secret draws the directions; of family `shading`, with images.
  ///   - groups: how many are chosen; at most as many as there are classes.
  ///   - rule: number of directions and reach.
  ///   - answers: an unmarked network's logits, [B, classes], for 8-bit pictures [B, C, H, W].
  /// - Throws: `WatermarkError` when the key has no images; `TensorError`.
  init(
    _ key: WatermarkKey, groups: Int, _ rule: DirectionRule,
    answers: (Tensor) throws -> Tensor
  ) throws {
    guard let material = key.material else {
      throw WatermarkError.badKey("the key", reason: "it holds no images to measure shading on")
    }
    let count = max(rule.candidates, groups)
    let shading = try CoarseShading(material.images)
    let directions = shading.directions(key.secret, Array(0..<count))
    let bases = Self.bases(material.labels)
    let all = Array(0..<count)
    /// Every label in some directions, by what the network answers to the first images.
    func candidates(_ numbers: [Int], on images: Int) throws -> [Candidate] {
      // The last ones: where all are of one class the one that is not stands last.
      let bases = Array(bases.suffix(images))
      let together = max(1, Self.picturesAtOnce / bases.count)
      return try stride(from: 0, to: numbers.count, by: together).flatMap { first in
        try Self.candidates(
          Array(numbers[first..<min(first + together, numbers.count)]), key, material, shading,
          directions, bases, reach: rule.reach, answers: answers)
      }
    }
    var finalists = all
    if count > max(4 * groups, Self.finalists), bases.count > Self.firstImages {
      var best = [Double](repeating: -.infinity, count: count)
      for candidate in try candidates(all, on: Self.firstImages) {
        let number = candidate.place.direction
        best[number] = max(best[number], candidate.worth)
      }
      finalists = Array(
        all.sorted { (best[$0], -$0) > (best[$1], -$1) }.prefix(max(4 * groups, Self.finalists))
      ).sorted()
    }
    let candidates = try candidates(finalists, on: bases.count)
    // Of equals the first, which is the lower direction and label.
    let ranked = candidates.enumerated().sorted {
      ($0.element.worth, -$0.offset) > ($1.element.worth, -$1.offset)
    }
    var best: [Candidate] = []
    for (_, candidate) in ranked where best.count < groups {
      let isTaken = best.contains {
        $0.place.label == candidate.place.label || $0.place.direction == candidate.place.direction
      }
      if !isTaken { best.append(candidate) }
    }
    guard best.count == groups else {
      throw WatermarkError.noImages("images of other classes than the labels")
    }
    chosen = best
  }

  /// Every label in some directions.
  private static func candidates(
    _ numbers: [Int], _ key: WatermarkKey, _ material: CarrierMaterial, _ shading: CoarseShading,
    _ directions: [[Double]], _ bases: [Int], reach: Double,
    answers: (Tensor) throws -> Tensor
  ) throws -> [Candidate] {
    let images = try material.images.indexSelect(0, Tensor(bases))
    let pictures = try shading.carriers(
      Tensor.cat(numbers.map { _ in images }), numbers.map { directions[$0] },
      choice: numbers.indices.flatMap { [Int](repeating: $0, count: bases.count) })
    let margins = try margins(answers(pictures).to(.float32))
    return numbers.enumerated().flatMap { place, number in
      let first = place * bases.count
      return (0..<key.classes).compactMap { label in
        candidate(
          LabeledDirection(direction: number, label: label),
          bases.indices.filter { material.labels[bases[$0]] != label }
            .map { margins[(first + $0) * key.classes + label] }, reach: reach)
      }
    }
  }

  /// The first images; where all of these are of one class the last makes way for one of another, so that every label
  /// has an image that is not its own.
  private static func bases(_ labels: [Int]) -> [Int] {
    var bases = Array(0..<min(imageCount, labels.count))
    if let other = labels.firstIndex(where: { $0 != labels[0] }), other >= bases.count {
      bases[bases.count - 1] = other
    }
    return bases
  }

  /// How far each label is ahead of all others: B · classes numbers for logits [B, classes].
  private static func margins(_ logits: Tensor) throws -> [Double] {
    let best = try logits.topK(2).values
    let (first, second) = (
      try best.narrow(1, start: 0, length: 1), try best.narrow(1, start: 1, length: 1)
    )
    let isFirst = try logits.eq(first).to(.float32)
    return try (logits - first + isFirst * (first - second)).doubles()
  }

  /// One label in one direction, by its margins on images of other classes; nil where there are none.
  private static func candidate(_ place: LabeledDirection, _ margins: [Double], reach: Double)
    -> Candidate?
  {
    guard !margins.isEmpty else { return nil }
    let count = Double(margins.count)
    return Candidate(
      place: place, natural: Double(margins.count { $0 > 0 }) / count,
      reached: Double(margins.count { $0 > -reach }) / count)
  }
}
