import BulwarkStore
import BulwarkTraining
import BulwarkWatermark
import Foundation

extension WatermarkEmbedJob {
  /// The key of the run: that of the folder when it goes on, else a new one.
  ///
  /// - Throws: `ToolError` when the run cannot go on without its key, or the recipe is a copy without the
  ///   secret; `WatermarkError`.
  func key(_ task: WatermarkTask, _ folder: RunFolder) throws -> WatermarkKey {
    let (path, training) = (folder.file("key.json"), folder.file("training.h5"))
    let isTrained = FileManager.default.fileExists(atPath: training)
    if options.resume, FileManager.default.fileExists(atPath: path) {
      let key = try WatermarkKey(reading: path)
      try recipe.check(key, path: path)
      guard isTrained || key.modelDigest == nil else {
        throw ToolError(
          summary: "\(path) is sealed to a model, but \(training), from which the run would go "
            + "on, is gone.",
          remedy: "Put \(training) back, or embed into another folder.", category: .missingInput)
      }
      guard try key.trainFingerprint == task.data.train.fingerprint else {
        throw ToolError(
          summary: "\(path) was drawn from other training images than \(recipe.data.path) "
            + "holds now.",
          remedy: "Restore the images, or embed into another folder.", category: .badData)
      }
      return key
    }
    guard !options.resume || !isTrained else {
      throw ToolError(
        summary: "\(training) is there, but its key \(path) is not.",
        remedy: "Put the key back: the model cannot go on with another one.",
        category: .missingInput)
    }
    guard !recipe.hasOnlyDigest else {
      throw ToolError.usage(
        "The recipe is the copy of a run and has only a digest of the secret.",
        remedy: "Give the secret with --set secret=..., or --set secret= to draw a new one.")
    }
    let scheme = recipe.scheme
    let mark = MarkDescription(
      scheme: scheme,
      carriers: scheme.hasCarriers ? recipe.watermark.carriers.resolved(scheme.ownFamily) : nil,
      bits: scheme == .uchida ? try recipe.watermark.uchida.place(in: architecture(task)) : nil,
      signal: scheme == .coswm ? recipe.watermark.coswm.keySignal : nil)
    return try WatermarkKey(
      secret: recipe.resolvedSecret() ?? .random(), owner: recipe.owner, mark: mark,
      train: task.data.train,
      facts: WatermarkKey.Facts(
        version: ToolVersion.current, recipe: resolved.digest,
        created: ISO8601DateFormatter().string(from: Date()), published: recipe.publishedSecret))
  }

  /// Gives a sealed key, and the model beside it, another name: its commitment may be published, and
  /// nobody can make either again. A key without a model proves nothing and may go; one that cannot be
  /// read may not.
  ///
  /// - Parameters:
  ///   - folder: of the run.
  ///   - commitment: a key that opens it is the one that is about to be written, and stays.
  /// - Throws: `ToolError` when a file cannot be renamed.
  func setAside(_ folder: RunFolder, unless commitment: Commitment? = nil) throws {
    let path = folder.file("key.json")
    guard FileManager.default.fileExists(atPath: path) else { return }
    var tag = "unreadable"
    if let key = try? WatermarkKey(reading: path) {
      guard let own = try key.commitment(), own != commitment else { return }
      tag = String(own.digest.description.prefix(8))
    }
    // An earlier run may have left a key of this name.
    let free = (0...).lazy.map { $0 == 0 ? tag : "\(tag)-\($0)" }.first {
      !FileManager.default.fileExists(atPath: folder.file("key-\($0).json"))
        && !FileManager.default.fileExists(atPath: folder.file("model-\($0).h5"))
    }
    let name = free ?? tag
    var moved: [String] = []
    for (old, new) in [("key.json", "key-\(name).json"), ("model.h5", "model-\(name).h5")]
    where FileManager.default.fileExists(atPath: folder.file(old)) {
      do {
        try FileManager.default.moveItem(atPath: folder.file(old), toPath: folder.file(new))
      } catch {
        throw ToolError(
          summary: "\(folder.file(old)) holds a finished watermark and cannot be set aside.",
          remedy: "Choose another --out.", category: .cannotCreate, causes: ["\(error)"])
      }
      moved.append(folder.file(new))
    }
    console.note(
      "note: the finished watermark that was here is kept: \(moved.joined(separator: ", "))")
  }
}
