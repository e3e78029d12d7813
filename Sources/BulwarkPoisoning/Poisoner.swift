import BulwarkData
import BulwarkTensor

/// Turns a clean data set into a poisoned one, and puts the trigger on test images.
///
/// The same specification and data give the same bytes. Nothing but the listed samples changes.
public struct Poisoner: Sendable {
  /// What is done.
  public let spec: AttackSpec

  /// A poisoner for one specification.
  /// - Throws: `PoisonError.invalidParameter` naming the first impossible value.
  public init(_ spec: AttackSpec) throws {
    try spec.validate()
    self.spec = spec
  }

  /// Poisons a training set: triggers are put on the stored 8-bit images, before any augmentation.
  ///
  /// - Parameters:
  ///   - train: the clean training set; it is not changed.
  ///   - classifier: for the label-consistent attack, a model trained on `train`, in evaluation mode.
  ///   - device: where the classifier lives.
  ///   - batchSize: images that are changed at once.
  ///   - progress: told after every batch how many of the images to change are done.
  /// - Returns: the poisoned set with its ground truth.
  /// - Throws: `PoisonError` when rate, target, trigger or classifier do not fit the data;
  ///   `TensorError`; whatever the classifier throws.
  ///
  /// Cost: one copy of the images; time in proportion to the poisoned images (the label-consistent
  /// attack: `steps` forward and backward passes for each).
  public func poison(
    _ train: ImageDataset, classifier: Classifier? = nil, device: Device = .cpu,
    batchSize: Int = 256, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> PoisonedDataset {
    let selection = try PoisonSelection(
      spec, labels: train.labels, classCount: train.classCount)
    let form = try ImageForm(of: train.images)
    let trigger = try spec.attack.trigger(for: form, phase: .training, key: spec.key)
    let images = try train.images.contiguous().clone()
    let total = selection.poisoned.count + selection.noise.count
    let rewriter = RowRewriter(source: train.images, target: images, batchSize: batchSize)

    try rewriter.rewrite(selection.poisoned, done: { progress($0, total) }) { batch, rows in
      guard case .labelConsistent(let attack) = spec.attack else {
        return try trigger.apply(to: batch)
      }
      guard let classifier else {
        throw PoisonError.classifierMissing(attack: spec.attack.kind.rawValue)
      }
      let hardened = try attack.perturbation.perturb(
        batch, labels: rows.map { train.labels[$0] }, classCount: train.classCount,
        device: device, classifier: classifier)
      return try trigger.apply(to: hardened)
    }
    if let field = trigger as? WarpField {
      let key = spec.key.stream("wanet-noise")
      let before = selection.poisoned.count
      try rewriter.rewrite(selection.noise, done: { progress(before + $0, total) }) { batch, rows in
        try field.applyWithNoise(to: batch, keys: rows.map(key.step))
      }
    }

    var labels = train.labels
    if !spec.attack.isCleanLabel { for index in selection.poisoned { labels[index] = spec.target } }
    let poisoned = try ImageDataset(
      images: images, labels: labels, classNames: train.classNames, sources: train.sources,
      name: "poisoned data set")
    return PoisonedDataset(
      spec: spec, dataset: poisoned, source: train, poisonedIndices: selection.poisoned,
      noiseIndices: selection.noise)
  }

  /// Images with the trigger as a user of the backdoor would put it there: at test strength, without
  /// adversarial perturbation or noise.
  /// - Parameter images: `[B, C, H, W]`, uint8.
  /// - Returns: a new tensor of the same shape, uint8, CPU.
  /// - Throws: `PoisonError.wrongImages`, `.triggerTooLarge`; `TensorError`.
  public func trigger(_ images: Tensor) throws -> Tensor {
    let form = try ImageForm(of: images)
    return try spec.attack.trigger(for: form, phase: .testing, key: spec.key)
      .apply(to: images.to(.cpu))
  }

  /// The test set that the attack success rate is measured on: all samples whose true label is not
  /// the target, triggered, labels true. The attack success rate is the share predicted as the
  /// target; robust accuracy is the share predicted as labeled.
  /// - Throws: `PoisonError.invalidTarget`, `.noTestSamples`, `.triggerTooLarge`; `TensorError`.
  public func triggeredTestSet(_ test: ImageDataset) throws -> ImageDataset {
    guard (0..<test.classCount).contains(spec.target) else {
      throw PoisonError.invalidTarget(target: spec.target, classCount: test.classCount)
    }
    let rows = triggeredTestIndices(test)
    guard !rows.isEmpty else { throw PoisonError.noTestSamples(target: spec.target) }
    let form = try ImageForm(of: test.images)
    let trigger = try spec.attack.trigger(for: form, phase: .testing, key: spec.key)
    let images = try Tensor.empty(
      [rows.count, form.channels, form.height, form.width], dtype: .uint8)
    let rewriter = RowRewriter(source: test.images, target: images, batchSize: 1024)
    try rewriter.rewrite(rows, into: Array(rows.indices)) { batch, _ in
      try trigger.apply(to: batch)
    }
    return try ImageDataset(
      images: images, labels: rows.map { test.labels[$0] }, classNames: test.classNames,
      sources: test.sources.map { all in rows.map { all[$0] } }, name: "triggered test set")
  }

  /// Ascending positions of the samples that `triggeredTestSet` takes.
  public func triggeredTestIndices(_ test: ImageDataset) -> [Int] {
    test.labels.indices.filter { test.labels[$0] != spec.target }
  }
}

/// Reads rows of one image array in batches, changes them and writes them to another.
struct RowRewriter {
  /// [N, C, H, W], uint8, CPU; never written to.
  let source: Tensor
  /// [M, C, H, W], uint8, CPU, contiguous, owned by the caller alone.
  let target: Tensor
  let batchSize: Int

  /// Changes the rows `rows` of the source and writes them to the rows `places` of the target, by
  /// default the same; `change` must keep shape and dtype, `done` is told how many rows are written.
  func rewrite(
    _ rows: [Int], into places: [Int]? = nil, done: (Int) -> Void = { _ in },
    change: (_ batch: Tensor, _ rows: [Int]) throws -> Tensor
  ) throws {
    precondition(batchSize > 0, "a batch holds at least one image")
    let places = places ?? rows
    let rowBytes = source.shape.dropFirst().reduce(1, *)
    for start in stride(from: 0, to: rows.count, by: batchSize) {
      let end = min(rows.count, start + batchSize)
      let part = Array(rows[start..<end])
      let batch = try source.indexSelect(0, Tensor(part))
      let changed = try change(batch, part)
      precondition(
        changed.shape == batch.shape && changed.dtype == .uint8,
        "a trigger keeps the form of the images")
      try changed.withUnsafeBytes { new in
        try target.withUnsafeMutableBytes { bytes in
          for (offset, place) in places[start..<end].enumerated() {
            let row = UnsafeRawBufferPointer(
              rebasing: new[offset * rowBytes..<(offset + 1) * rowBytes])
            UnsafeMutableRawBufferPointer(
              rebasing: bytes[place * rowBytes..<(place + 1) * rowBytes]
            ).copyMemory(from: row)
          }
        }
      }
      done(end)
    }
  }
}
