import BulwarkTensor
import BulwarkTraining

/// Chooses a key's directions among the candidates that its secret draws: those whose labels an unmarked
/// network nearly gives to carriers, but does not.
///
/// Unmarked networks of a task answer far shading much alike, however they were trained, and a student
/// learns only some of the lean. Where the label is far behind the natural answer, the carriers of a
/// direction are lost all together, whatever the host does; where it is close behind, they are not. A label
/// that comes first anyway is not taken: it would survive and say nothing. Even so any model likes a chosen
/// key better than a drawn one, a little: the verdict, which wants ranks among keys, among models and in the
/// table, allows for that, and none of these alone does (Docs/Watermarks.md has the figures).
struct DirectionChoice {
  /// Images that each candidate is tried on.
  static let imageCount = 32
  /// Share of its carriers that an unmarked network may answer with a candidate's label.
  static let naturalShare = 0.1

  /// A candidate as the unmarked network sees its carriers.
  struct Candidate {
    var number: Int
    var label: Int
    /// Share that it answers with the label.
    var natural = 0.0
    /// Share where the label lacks at most `reach` to come first, these included.
    var reached = 0.0

    /// What a lean can bring. Labels that come first by themselves are worth less than nothing.
    var worth: Double {
      reached - natural - 2 * max(0, natural - DirectionChoice.naturalShare)
    }
  }

  /// The chosen candidates, one for each group, with labels that differ.
  let chosen: [Candidate]

  /// Tries every candidate.
  ///
  /// - Parameters:
  ///   - key: whose secret draws the candidates; of family `shading`, with images.
  ///   - carriers: its settings.
  ///   - options: number of candidates and reach.
  ///   - answers: an unmarked network's logits, [B, classes], for 8-bit pictures [B, C, H, W].
  /// - Throws: `WatermarkError` when the key has no images; `TensorError`.
  init(
    _ key: WatermarkKey, _ carriers: CarrierOptions, _ options: TiltedOptions,
    answers: (Tensor) throws -> Tensor
  ) throws {
    guard let material = key.material else {
      throw WatermarkError.badKey("the key", reason: "it holds no images to measure shading on")
    }
    let count = max(options.candidates, carriers.groups)
    let labels = CarrierPlan.candidateLabels(key.secret, count: count, classes: key.classes)
    let shading = try CoarseShading(material.images)
    let directions = shading.directions(key.secret, Array(0..<count))
    let candidates = try (0..<count).map { number -> Candidate in
      var candidate = Candidate(number: number, label: labels[number])
      let bases = material.labels.indices.filter { material.labels[$0] != labels[number] }
        .prefix(Self.imageCount)
      let pictures = try shading.carriers(
        material.images.indexSelect(0, Tensor(Array(bases))), [directions[number]],
        choice: [Int](repeating: 0, count: bases.count))
      let logits = try answers(pictures)
      let own = try logits.narrow(1, start: labels[number], length: 1)
      let others = try logits - Tensor([labels[number]]).to(logits.device).oneHot(key.classes) * 1e9
      // How far the label is ahead of all others.
      let margins = try (own - others.topK(1).values).doubles()
      candidate.natural = Double(margins.count { $0 > 0 }) / Double(margins.count)
      candidate.reached = Double(margins.count { $0 > -options.reach }) / Double(margins.count)
      return candidate
    }
    let ranked = candidates.sorted { ($0.worth, -$0.number) > ($1.worth, -$1.number) }
    var best: [Candidate] = []
    for candidate in ranked where best.count < carriers.groups {
      if !best.contains(where: { $0.label == candidate.label }) { best.append(candidate) }
    }
    // Fewer labels than groups among the candidates: groups make way for each other.
    for candidate in ranked where best.count < carriers.groups {
      if !best.contains(where: { $0.number == candidate.number }) { best.append(candidate) }
    }
    chosen = best
  }
}
