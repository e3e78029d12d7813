import ArgumentParser

/// What a job is told about its output, whatever command it was given with.
struct RunOptions: Equatable {
  /// Folder for everything that is written; nil takes the job's own.
  var out: String?
  /// Whether what exists is replaced.
  var force = false
  /// Whether everything is checked and estimated, and nothing trained or written.
  var dryRun = false
  /// Whether bad image files are left out.
  var skipBad = false
  /// Whether the run in `out` goes on from its last checkpoint.
  var resume = false
  /// Seed of all randomness; nil takes the recipe's.
  var seed: UInt64?
  /// Checkpoint of another DBD run to start from.
  var from: String?

  /// Puts what was given over a recipe.
  ///
  /// - Throws: `ToolError.usage` for a seed where nothing hangs on one.
  func overlay(on recipe: inout some ToolRecipe) throws {
    if let seed { try recipe.take(seed: seed) }
  }

  /// Only training has stages to start from.
  ///
  /// - Throws: `ToolError.usage` when --from was given.
  func refuseOrigin(remedy: String) throws {
    guard from == nil else {
      throw ToolError.usage(
        "--from starts DBD from a stage of another run and has no meaning here.", remedy: remedy)
    }
  }
}

/// What every command that follows a recipe takes.
struct WritingOptions: ParsableArguments {
  @Flag(help: "Replace what exists.")
  var force = false

  @Flag(help: "Check everything and estimate time and memory; train nothing.")
  var dryRun = false

  @Flag(help: "Leave out bad image files with a counted warning instead of stopping.")
  var skipBad = false

  /// What a job is told that writes to `out`.
  func options(out: String?) -> RunOptions {
    RunOptions(out: out, force: force, dryRun: dryRun, skipBad: skipBad)
  }
}

/// What a command takes that writes a report only where it is told to.
struct ReportOptions: ParsableArguments {
  @Option(help: "Folder for the report, verification.json; without it none is written.")
  var out: String?

  @OptionGroup
  var writing: WritingOptions

  /// What its job is told.
  var options: RunOptions { writing.options(out: out) }
}

/// What a command takes that writes a folder.
struct FolderOptions: ParsableArguments {
  @Option(help: "Folder for everything that is written; default: one below runs/.")
  var out: String?

  @OptionGroup
  var writing: WritingOptions

  /// What its job is told.
  var options: RunOptions { writing.options(out: out) }
}

/// What a command takes that writes a run folder and can go on with it.
struct ResumableOptions: ParsableArguments {
  @OptionGroup
  var folder: FolderOptions

  @Flag(help: "Continue the run in --out from its last checkpoint.")
  var resume = false

  @Option(help: "Seed of all randomness; default: the recipe's.")
  var seed: UInt64?

  func validate() throws {
    if folder.writing.force && resume {
      throw ValidationError("--force and --resume exclude each other; give one of them.")
    }
  }

  /// What its job is told.
  var options: RunOptions {
    var options = folder.options
    options.resume = resume
    options.seed = seed
    return options
  }
}

/// What a command takes whose run may start from a stage of another one.
struct StagedOptions: ParsableArguments {
  @OptionGroup
  var resumable: ResumableOptions

  @Option(
    help: ArgumentHelp(
      "Only for DBD: start where this checkpoint of another run was written (dbd-before-head.h5 or "
        + "dbd-before-semi_supervision.h5): settings of later stages may differ.",
      valueName: "checkpoint"))
  var from: String?

  func validate() throws {
    if from != nil && resumable.resume {
      throw ValidationError("--from and --resume exclude each other; give one of them.")
    }
  }

  /// What its job is told.
  var options: RunOptions {
    var options = resumable.options
    options.from = from
    return options
  }
}
