import BulwarkTensor

/// PyTorch's `.pt` and `.pth` files, tensors only; no code of the file is run.
public enum PyTorchFile {
  /// What was found in a file.
  public struct Content: Sendable {
    /// The state dict, in the file's order, with common prefixes removed from the names.
    public var tensors: StateDict
    /// Key under which the state dict stood (`state_dict`, `model`, ...); nil at the top.
    public var key: String?
    /// Prefix that all names shared and that was removed, such as `module.`; nil if none.
    public var strippedPrefix: String?
    /// Entries beside the tensors that were left out.
    public var ignored: [String]
  }

  /// Keys under which checkpoints keep their weights, in the order of trial.
  static let keys = ["state_dict", "model_state_dict", "model", "net", "weights", "params"]
  static let prefixes = ["module.", "_orig_mod."]

  /// Reads a state dict saved by `torch.save`.
  ///
  /// The file may hold a checkpoint with the dict under one of the usual keys, or the dict itself, which
  /// is taken where no such key leads to tensors. The pickle inside may build plain values and tensors;
  /// anything else is refused by name.
  ///
  /// - Throws: ``StoreError``: `refusedPickle` for anything but tensors and plain values,
  ///   `foreignFile` for other files and PyTorch's format from before 1.6, `digestMismatch`,
  ///   `oversized`, `truncated`, `invalidContent`, `unexpectedType`, `missingDataset` when there is no
  ///   state dict.
  public static func read(_ path: String) throws -> Content {
    let file = try FileDescriptor(opening: path, shownAs: path)
    try checkStart(file, path: path)
    let zip = try ZipReader(file, path: path)
    guard let root = zip.entries.keys.first(where: { $0.hasSuffix("/data.pkl") }),
      zip.entries.keys.filter({ $0.hasSuffix("/data.pkl") }).count == 1
    else {
      throw StoreError(
        .foreignFile, file: path, item: "data.pkl", expected: "an archive made by torch.save",
        found: "another archive", remedy: "Save the state dict with torch.save.")
    }
    let folder = String(root.dropLast("data.pkl".count))
    if zip.entries[folder + "byteorder"] != nil,
      try zip.bytes(folder + "byteorder") != Array("little".utf8)
    {
      throw StoreError(
        .unexpectedType, file: path, item: "byteorder", expected: "little", found: "another order",
        remedy: "Save the state dict on a little-endian machine.")
    }
    var machine = PickleMachine(try zip.bytes(root))
    let value: PickleValue
    do {
      value = try machine.run()
    } catch let refusal as PickleRefusal {
      throw StoreError(
        .refusedPickle, file: path, item: root, expected: refusal.expected, found: refusal.found,
        remedy: "Save only the weights: torch.save(model.state_dict(), path), or use safetensors.")
    }
    return try content(value, machine, PyTorchStorages(zip: zip, folder: folder + "data/"))
  }

  private static func checkStart(_ file: FileDescriptor, path: String) throws {
    let size = try file.size()
    let head = try file.bytes(min(16, size), at: 0)
    if head.starts(with: [0x50, 0x4B, 0x03, 0x04]) { return }
    // The number that opened PyTorch's files before version 1.6, as a pickle.
    let old: [UInt8] = [0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9]
    let isOld = head.count > 9 && head[0] == 0x80 && head[2...].starts(with: old)
    throw StoreError(
      .foreignFile, file: path, expected: "a zip archive made by torch.save",
      found: isOld ? "PyTorch's format from before version 1.6" : "something else",
      remedy: isOld
        ? "Load it with PyTorch and save it again; torch.save writes the new format since 1.6."
        : "Check the path; if the file was copied, copy it again.")
  }

  private static func content(
    _ value: PickleValue, _ machine: PickleMachine, _ storages: PyTorchStorages
  ) throws -> Content {
    guard case .table(let top) = value else {
      throw missing(storages, found: "a value that is no table")
    }
    let (table, key) = try stateDict(top, machine, storages)
    var pairs: [(String, PickleTensor)] = []
    var ignored: [String] = []
    for (name, value) in machine.tables[table] {
      guard case .string(let name) = name else { continue }
      if case .tensor(let tensor) = value {
        pairs.append((name, tensor))
      } else {
        ignored.append(name)
      }
    }
    if key != nil {
      ignored += machine.tables[top].compactMap {
        if case .string(let name) = $0.0, name != key { name } else { nil }
      }
    }
    var stripped = ""
    while !pairs.isEmpty {
      let shared = prefixes.first { prefix in pairs.allSatisfy { $0.0.hasPrefix(prefix) } }
      guard let shared else { break }
      stripped += shared
      pairs = pairs.map { (String($0.0.dropFirst(shared.count)), $0.1) }
    }
    return Content(
      tensors: StateDict(try storages.tensors(pairs)), key: key,
      strippedPrefix: stripped.isEmpty ? nil : stripped, ignored: ignored)
  }

  private static func stateDict(
    _ top: Int, _ machine: PickleMachine, _ storages: PyTorchStorages
  ) throws -> (table: Int, key: String?) {
    func holdsTensors(_ table: Int) -> Bool {
      machine.tables[table].contains { if case .tensor = $0.1 { true } else { false } }
    }
    // First: beside the table may stand tensors of another kind, such as the best accuracy so far.
    for key in keys {
      for (name, value) in machine.tables[top] {
        if case .string(key) = name, case .table(let inner) = value, holdsTensors(inner) {
          return (inner, key)
        }
      }
    }
    if holdsTensors(top) { return (top, nil) }
    let names = machine.tables[top].prefix(10).compactMap {
      if case .string(let name) = $0.0 { name } else { nil }
    }
    throw missing(storages, found: "keys " + names.joined(separator: ", "))
  }

  private static func missing(_ storages: PyTorchStorages, found: String) -> StoreError {
    StoreError(
      .missingDataset, file: storages.zip.path, item: "state dict",
      expected: "names with tensors, at the top or under " + keys.joined(separator: ", "),
      found: found, remedy: "Save the weights alone: torch.save(model.state_dict(), path).")
  }
}
