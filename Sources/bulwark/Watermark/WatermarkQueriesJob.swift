import BulwarkData
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
    guard options.from == nil, !options.resume else {
      throw ToolError.usage(
        "--from and --resume have no meaning here.", remedy: "Run the command again with --force.")
    }
    let recipe = resolved.recipe
    let out = options.out ?? "runs/queries"
    try OutputFile.check(out, force: options.force)
    let key = try WatermarkVerifyJob.key(recipe.key, console: console)
    let task = try WatermarkTask(recipe, skipBad: options.skipBad, console: console)
    let queries = try QuerySet(key, data: task.data, options: recipe.evidence).images
    var result = ResultObject(command: "watermark queries")
    result.recipe = resolved.digest
    result.inputs = try task.bundle.inputs
    result.inputs["key"] = .string(recipe.key)
    result.metrics = [
      "queries": ResultMetric(Double(queries.count), unit: "images", n: queries.count)
    ]
    result.details = [
      "foreign_keys": .int(recipe.evidence.foreignKeys),
      "suspect_keys": .int(recipe.evidence.allKeys), "dry_run": .bool(options.dryRun),
    ]
    if !options.dryRun {
      let file = out + "/queries.h5"
      // The owner's carriers are among the queries: whoever sees them can prepare a model for them.
      let isNew = !FileManager.default.fileExists(atPath: out)
      try OutputFile.makeFolder(out)
      if isNew {
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: out)
      }
      if png {
        try OutputFile.makeFolder(out + "/images")
        for index in 0..<queries.count {
          let name = String(repeating: "0", count: max(0, 6 - "\(index)".count)) + "\(index).png"
          try ImageCodec.writePNG(queries.raster(index), to: "\(out)/images/\(name)")
          console.progress("pictures", completed: index + 1, total: queries.count)
        }
        console.clearProgress()
        result.outputs["pictures"] = .string(out + "/images")
      }
      // Last: where it is, all pictures are.
      try DataBundle(train: queries, test: nil, kind: .hdf5, path: file, indexSets: [:])
        .write(to: file, overwrite: options.force)
      result.outputs["queries"] = .string(file)
    }
    try console.finish(result) {
      let what = "\(queries.count) images to ask the suspect about"
      guard !options.dryRun else { return [what + "; nothing was written"] }
      return [
        what + " in \(out)",
        "Then: bulwark watermark verify --queries \(out)/queries.h5 --answers <CSV file> ...",
      ]
    }
  }
}
