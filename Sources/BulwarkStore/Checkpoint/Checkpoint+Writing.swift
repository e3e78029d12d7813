import BulwarkTensor

extension Checkpoint {
  /// Writes the checkpoint as one file that appears whole or not at all.
  ///
  /// - Parameters:
  ///   - path: the file; its folder must exist.
  ///   - overwrite: whether an existing file may be replaced; it stays intact until the new one is
  ///     complete on the disk.
  ///   - isPrivate: whether nobody but the owner may read it (mode 0600), whatever was there before.
  /// - Throws: ``StoreError`` of kind `exists`, `cannotCreate`, `writeFailed` or `invalidName`, and
  ///   `TensorError` when a tensor cannot be copied from its device.
  public func write(to path: String, overwrite: Bool = false, isPrivate: Bool = false) throws {
    try SealedWriter.write(
      path, kind: Checkpoint.kind, format: Checkpoint.format,
      producer: codeVersion.isEmpty ? Checkpoint.producer : "Bulwark \(codeVersion)",
      overwrite: overwrite, isPrivate: isPrivate
    ) { writer in
      try writer.put(weights, below: ["model"])
      try write(json: architecture, at: ["architecture"], with: writer)
      if let normalization {
        try writer.put(doubles: normalization.mean, at: ["input", "mean"])
        try writer.put(doubles: normalization.std, at: ["input", "std"])
      }
      if !classNames.isEmpty {
        try writer.put(texts: classNames, at: ["input", "class_names"])
      }
      if let optimizer {
        try writer.put(optimizer.tensors, below: ["optimizer", "tensors"])
        try writer.put(text: try optimizer.settings.text(), at: ["optimizer", "settings"])
      }
      try write(json: schedule, at: ["schedule"], with: writer)
      try writer.put(text: try JSONValue.text(of: progress), at: ["progress"])
      if let recipe { try writer.put(text: recipe, at: ["recipe"]) }
      if !fingerprints.isEmpty {
        try writer.put(
          text: try JSONValue.text(of: fingerprints), at: ["data", "fingerprints"])
      }
      for (name, indices) in indexSets.sorted(by: { $0.key < $1.key }) {
        try writer.put(integers: indices, at: ["data", "indices", TensorPath.encode(name)])
      }
      for series in history {
        try writer.put(series: series, at: ["history", TensorPath.encode(series.name)])
      }
      for (name, tensors) in states.sorted(by: { $0.key < $1.key }) {
        try writer.put(tensors, below: ["state", TensorPath.encode(name)])
      }
      try write(json: notes, at: ["notes"], with: writer)
      if !codeVersion.isEmpty { try writer.put(text: codeVersion, at: ["code_version"]) }
    }
  }

  private func write(json: JSONValue, at place: [String], with writer: SealedWriter) throws {
    if json != .null { try writer.put(text: try json.text(), at: place) }
  }
}
