import BulwarkData
import BulwarkStore
import BulwarkTraining
import BulwarkWatermark
import Foundation

/// Writes the images that a served suspect is asked about.
struct WatermarkQueriesJob {
  let resolved: ResolvedRecipe<WatermarkVerifyRecipe>
  let options: RunOptions
  /// Whether each image becomes a file of its own, too.
  let png: Bool
  let console: Console

  func perform() throws {
    let recipe = resolved.recipe
    let out = options.out ?? "runs/queries"
    try OutputFile.check(out, force: options.force)
    let key = try WatermarkVerifyJob.key(recipe.key, console: console)
    let task = try WatermarkTask(recipe, skipBad: options.skipBad, console: console)
    let queries = try collected(key, task).images
    var result = ResultObject(command: "watermark queries")
    result.recipe = resolved.digest
    result.inputs = try task.bundle.inputs
    result.inputs["key"] = .string(recipe.key)
    result.details = [
      "queries": .int(queries.count), "foreign_keys": .int(recipe.evidence.tableKeys),
      "suspect_keys": .int(recipe.evidence.allKeys),
      "reading": .string(recipe.evidence.reading.rawValue), "dry_run": .bool(options.dryRun),
    ]
    if !options.dryRun { result.outputs = try write(queries, to: out) }
    try console.finish(result) {
      let what = "\(queries.count) images to ask the suspect about"
      guard !options.dryRun else { return [what + "; nothing was written"] }
      let next = ShellCommand.line([
        "bulwark", "watermark", "verify", "--queries", out + "/queries.h5",
      ])
      return [what + " in \(out)", "Then: \(next) --answers <CSV file> ..."]
    }
  }

  /// The query set, for which the model that chooses for foreign keys is trained where it is not there yet. A dry run
  /// only counts, and takes drawn keys instead.
  ///
  /// - Throws: `EarlyExit` with status 75 when a signal came meanwhile.
  private func collected(_ key: WatermarkKey, _ task: WatermarkTask) throws -> QuerySet {
    let recipe = resolved.recipe
    try key.check(task.data.train)
    try recipe.evidence.validate(key.mark.scheme)
    // Where carriers are not asked about, nobody needs foreign keys yet.
    guard key.choosesDirections, recipe.evidence.reading != .answers else {
      return try QuerySet(key, data: task.data, options: recipe.evidence)
    }
    let population = try task.population(recipe, of: key.facts.architecture)
    guard !options.dryRun else {
      return try QuerySet(
        key, data: task.data, options: recipe.evidence,
        foreign: ForeignKeys(of: key, material: task.data.train))
    }
    Interruption.install(.finishStep)
    let session = try task.session(
      seed: 0, events: ProgressSink(console, run: "queries"),
      stopRequested: { Interruption.isRequested })
    do {
      return try QuerySet(
        key, data: task.data, options: recipe.evidence,
        foreign: population.foreignKeys(of: key, session))
    } catch let stop as TrainingInterrupted {
      console.clearProgress()
      throw EarlyExit(
        status: .interrupted,
        message: "bulwark: interrupted in stage \(stop.stage) after step \(stop.step); "
          + "\(recipe.cache) holds what was done.\nRun the same command again.")
    }
  }

  /// Writes the query set in the place of an earlier one.
  ///
  /// - Returns: the paths by what they are.
  /// - Throws: `EarlyExit` with status 75 when a signal came while pictures were written: they are gone then. What
  ///   writing the files throws.
  private func write(_ queries: ImageDataset, to out: String) throws -> [String: JSONValue] {
    // The owner's carriers are among the queries: whoever sees them can prepare a model for them.
    let isNew = !FileManager.default.fileExists(atPath: out)
    try OutputFile.makeFolder(out)
    if isNew {
      try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: out)
    }
    removeQueries(in: out)
    var outputs: [String: JSONValue] = [:]
    if png {
      try writePictures(queries, to: out + "/images") {
        removeQueries(in: out)
        if isNew { removeIfEmpty(out) }
      }
      outputs["pictures"] = .string(out + "/images")
    }
    // Last: where it is, all pictures are.
    let file = out + "/queries.h5"
    try DataBundle(train: queries, test: nil, kind: .hdf5, path: file, indexSets: [:])
      .write(to: file, overwrite: options.force, isPrivate: true)
    outputs["queries"] = .string(file)
    return outputs
  }

  /// Writes each image as a file; when a signal comes, `undo` takes back what is there, so that the same command
  /// finds its place free.
  private func writePictures(_ queries: ImageDataset, to folder: String, undo: () -> Void) throws {
    Interruption.install(.finishStep)
    try OutputFile.makeFolder(folder)
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder)
    for index in 0..<queries.count {
      if Interruption.isRequested {
        console.clearProgress()
        undo()
        throw EarlyExit(
          status: .interrupted,
          message: "bulwark: interrupted while pictures were written; none is left.\n"
            + "Run the same command again.")
      }
      let name = String(repeating: "0", count: max(0, 6 - "\(index)".count)) + "\(index).png"
      try ImageCodec.writePNG(queries.raster(index), to: "\(folder)/\(name)")
      console.progress("pictures", completed: index + 1, total: queries.count)
    }
    console.clearProgress()
  }

  /// Removes a query set: its data set, and the pictures that have the names of one. Other files stay.
  private func removeQueries(in out: String) {
    let manager = FileManager.default
    try? manager.removeItem(atPath: out + "/queries.h5")
    let images = out + "/images"
    for name in (try? manager.contentsOfDirectory(atPath: images)) ?? []
    where name.hasSuffix(".png") && name.count >= 10 && name.dropLast(4).allSatisfy(\.isNumber) {
      try? manager.removeItem(atPath: images + "/" + name)
    }
    removeIfEmpty(images)
  }

  /// Removes a folder that holds nothing.
  private func removeIfEmpty(_ folder: String) {
    let manager = FileManager.default
    if (try? manager.contentsOfDirectory(atPath: folder))?.isEmpty == true {
      try? manager.removeItem(atPath: folder)
    }
  }
}
