import BulwarkDefense
import BulwarkStore
import Foundation

/// Where a run writes: one folder, every file in it whole or absent.
struct RunFolder {
  let path: String
  /// Whether bad image files are left out, which the recipe in the folder does not say.
  var skipBad = false

  var recipe: String { file("recipe.yaml") }
  var result: String { file("result.json") }
  /// Base of `suspicion.json` and `suspicion.h5`.
  var suspicion: String { file("suspicion") }

  func file(_ name: String) -> String { path + "/" + name }

  /// The checkpoint of a method, during and after training.
  func checkpoint(_ method: TrainRecipe.Method) -> String { file(method.rawValue + ".h5") }

  /// What DBD was before a stage: another run can start there (`--from`).
  func checkpoint(before stage: DBDTrainer.Stage) -> String {
    file("dbd-before-\(stage.rawValue).h5")
  }

  /// The command that goes on with the run, as a shell takes it.
  var continuation: String {
    ShellCommand.line(
      ["bulwark", "run", recipe, "--out", path, "--resume"] + (skipBad ? ["--skip-bad"] : []))
  }

  /// Throws when something is there that is neither to be replaced nor a run to go on with, and when that
  /// run has other settings. Without anything there, `resume` begins a run. Writes nothing.
  func check(_ text: String, force: Bool, resume: Bool) throws {
    guard resume else { return try OutputFile.check(path, force: force) }
    guard FileManager.default.fileExists(atPath: recipe) else {
      guard OutputFile.isFree(path) else {
        throw ToolError(
          summary:
            "'\(path)' holds no run to go on with: recipe.yaml is not there, but other files are.",
          remedy: "Choose another --out, or start anew with --force instead of --resume.",
          category: .cannotCreate)
      }
      return
    }
    let stored = try TextFile.read(recipe)
    guard stored == text else {
      let changed = RunFolder.changedLines(from: stored, to: text)
      throw ToolError(
        summary: "The run in \(path) was started with other settings: \(changed).",
        remedy: "Continue it with: \(continuation)", category: .usage)
    }
  }

  /// Throws where the files `stale` of an earlier run, which would go, are among those that the new run reads: it
  /// must find these again when it resumes.
  ///
  /// - Throws: `ToolError.usage` naming the file.
  func refuseRemoved(_ inputs: [String], among stale: [String]) throws {
    func whole(_ path: String) -> String {
      URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
    }
    let removed = Set(stale.map(whole))
    guard let input = inputs.first(where: { !$0.isEmpty && removed.contains(whole($0)) }) else {
      return
    }
    throw ToolError.usage(
      "'\(input)' belongs to the run in the same folder, whose files would be removed.",
      remedy: "Choose another --out, or move the file.")
  }

  /// Takes the folder for a new run whose recipe is `text`; without `resume`, the files `stale` of an
  /// earlier one go. The copy of a private recipe is for its owner's eyes alone.
  func open(_ text: String, resume: Bool, stale: [String], isPrivate: Bool = false) throws {
    try OutputFile.makeFolder(path)
    if !resume {
      for file in stale { try? FileManager.default.removeItem(atPath: file) }
    }
    try AtomicFile.write(Data(text.utf8), to: recipe, overwrite: true, isPrivate: isPrivate)
  }

  private static func changedLines(from old: String, to new: String) -> String {
    let before = old.split(separator: "\n")
    let after = new.split(separator: "\n")
    let differing = zip(before, after).filter { $0 != $1 }
    let shown = differing.prefix(3).map {
      "'\($0.trimmingCharacters(in: .whitespaces))' became "
        + "'\($1.trimmingCharacters(in: .whitespaces))'"
    }
    return shown.isEmpty ? "a list has another length" : shown.joined(separator: ", ")
  }
}
