import BulwarkData
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning

/// U-LiRA for every row of a recipe: trains the shadows, unlearns, attacks.
///
/// Shadow models, retrained references and the statistics of each method are kept in the cache under
/// the digests of what decides them, so a second run, or a resumed one, trains nothing twice, and runs at
/// the same time share the shadows.
struct ShadowAudit {
  let run: UnlearnRun

  /// What is attacked on every shadow: the shadow itself, or what a row makes of it.
  enum Subject: Equatable {
    case original
    case row(MethodRow)

    /// Name of the row.
    var name: String {
      switch self {
      case .original: ForgettingReport.original
      case .row(let row): row.name
      }
    }
  }

  /// What the attacks found, and the rows that came to nothing.
  struct Outcome {
    var findings: [AuditFinding] = []
    var failures: [ForgettingReport.Failure] = []
  }

  private var recipe: UnlearnRecipe { run.recipe }
  private var console: Console { run.console }

  /// Attacks the original, the reference and every method. A row that diverges on a shadow is left out of
  /// the audit and named; the others go on.
  ///
  /// - Throws: `EarlyExit` with status 75 when a signal came; `TrainingError` when a shadow or a reference
  ///   diverges.
  func callAsFunction() throws -> Outcome {
    let design = try design()
    var subjects = try subjects()
    var outcome = Outcome()
    let files = try design.isMember.indices.map { try work($0, design).file() }
    let answers = try FileClaim.share(
      files,
      waiting: { isFirst in
        if isFirst { console.note("waiting for shadows that another run trains") }
        try stopIfAsked()
      }
    ) { shadow in
      let work = try work(shadow, design)
      var statistics: [String: [Double]] = [:]
      for subject in subjects where shadow < shadowCount(of: subject) {
        do {
          statistics[subject.name] = try work.statistic(of: subject)
        } catch let error as UnlearningError {
          guard case .notFinite = error else { throw error }
          subjects.removeAll { $0 == subject }
          let reason = "in shadow \(shadow + 1) \(error.summary); \(error.remedy)"
          let failure = ForgettingReport.Failure(
            name: ForgettingReport.auditName(of: subject.name), seed: recipe.seed, reason: reason)
          outcome.failures.append(failure)
          console.note("\(failure.name): \(reason)")
        }
      }
      console.note("shadow \(shadow + 1) of \(design.isMember.count) done")
      return statistics
    }
    outcome.findings = try subjects.map { subject in
      let own = answers.compactMap { $0[subject.name] }
      return try AuditFinding(
        subject.name,
        ShadowStatistics(own, isMember: Array(design.isMember.prefix(own.count))),
        key: key.stream("exchange"))
    }
    return outcome
  }

  /// While other runs are at the shadows that are left.
  private func stopIfAsked() throws {
    guard Interruption.isRequested else { return }
    throw EarlyExit(
      status: .interrupted,
      message: "bulwark: interrupted while other runs train shadows in \(recipe.cache).\n"
        + "Run the same command with --resume.")
  }

  /// The rows that are attacked: Retrain and every method.
  func rows() throws -> [MethodRow] {
    let reference = try MethodRow(parsing: ForgettingReport.reference)
    return try [reference] + recipe.rows().filter { $0 != reference }
  }

  /// Everything that is attacked.
  func subjects() throws -> [Subject] { try [.original] + rows().map(Subject.row) }

  /// On how many shadows a subject is attacked: the first ones of the design.
  func shadowCount(of subject: Subject) -> Int {
    guard case .row(let row) = subject, !row.method.startsFromCheckpoint,
      recipe.audit.retrainShadows > 0
    else { return recipe.audit.shadows }
    return recipe.audit.retrainShadows
  }

  /// Which samples each shadow is trained on.
  func design() throws -> ShadowDesign {
    try ShadowDesign(
      count: known.count, share: recipe.audit.share, shadows: recipe.audit.shadows, key: key)
  }

  /// Positions of the samples that the checkpoint knows, or did: those of the design count among them.
  private var known: [Int] {
    let gone = Set(run.gone)
    return run.bundle.train.labels.indices.filter { !gone.contains($0) }
  }

  /// The samples that the audit is about, of which every shadow unlearns one half.
  func audited() throws -> ForgetSet {
    let known = self.known
    return try ForgetSet(
      design().audited.map { known[$0] }, of: run.bundle.train.count, gone: run.gone,
      origin: "the samples audited by U-LiRA, of which every shadow unlearns one half")
  }

  /// The work on a shadow of the design; nothing is computed yet.
  func work(_ shadow: Int, _ design: ShadowDesign) throws -> ShadowWork {
    let task = design.task(shadow)
    let known = self.known
    let set = try run.bundle.train.subset(task.train.map { known[$0] })
    let input = UnlearningInput(
      train: set,
      forgetSet: try ForgetSet(task.forget, of: set.count, origin: "half of the audited samples"),
      normalization: run.loaded.normalization, views: run.views)
    return ShadowWork(
      run: run, input: input,
      audited: try run.bundle.train.subset(design.audited.map { known[$0] }), shadow: shadow,
      seed: key.stream("shadow").step(shadow).value)
  }

  private var key: RandomKey { RandomKey(seed: recipe.seed).stream("audit") }
}
