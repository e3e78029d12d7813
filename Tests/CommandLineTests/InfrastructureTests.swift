import BulwarkData
import BulwarkPoisoning
import BulwarkTensor
import BulwarkTraining
import BulwarkUnlearning
import Foundation
import Testing

@testable import bulwark

@Suite("What every subcommand shares")
struct InfrastructureTests {
  @Test("The nearest name is found across typing slips, and only near ones count")
  func nearest() {
    let valid = ["learning_rate", "epochs", "batch_size", "seed"]
    #expect(nearestName(to: "learning-rate", in: valid) == "learning_rate")
    #expect(nearestName(to: "lerning_rate", in: valid) == "learning_rate")
    #expect(nearestName(to: "epcohs", in: valid) == "epochs")
    #expect(nearestName(to: "sed", in: valid) == "seed")
    #expect(nearestName(to: "temperature", in: valid) == nil)
    #expect(nearestName(to: "", in: valid) == nil)
  }

  @Test("A result is one line of JSON with sorted keys; what JSON cannot hold becomes null")
  func resultObject() throws {
    var result = ResultObject(command: "evaluate")
    result.metrics = [
      "clean_accuracy": ResultMetric(0.953, unit: "fraction", n: 360),
      "attack_success_rate": ResultMetric(.nan, unit: "fraction"),
    ]
    result.inputs = ["data": "a/b"]
    let line = try result.line()
    #expect(
      line == #"{"command":"evaluate","inputs":{"data":"a/b"},"metrics":{"attack_success_rate":"#
        + #"{"unit":"fraction","value":null},"clean_accuracy":{"n":360,"unit":"fraction","#
        + #""value":0.953}},"outputs":{},"schema":"bulwark.result/1","seconds":0,"#
        + #""version":"\#(ToolVersion.current)"}"#)
  }

  @Test("A table aligns words left and numbers right")
  func table() {
    var table = Table("model", "clean")
    table.rows = [["undefended", "99.7 %"], ["dbd", "4.2 %"]]
    #expect(
      table.lines() == [
        "model        clean", "----------  ------", "undefended  99.7 %", "dbd          4.2 %",
      ])
  }

  @Test("Without a terminal, progress is one plain line every five seconds and one for each stage")
  func plainProgress() {
    var progress = ProgressLine(isTerminal: false)
    func update(_ label: String, _ completed: Int, _ now: Double) -> String? {
      progress.update(label: label, completed: completed, total: 100, detail: "", now: now)
    }
    #expect(update("stage 1", 0, 0) == "stage 1  0/100\n")
    #expect(update("stage 1", 10, 1) == nil)
    #expect(update("stage 1", 50, 5) == "stage 1  50/100  10/s  5 s left\n")
    #expect(update("stage 1", 60, 6) == nil)
    #expect(update("stage 2", 0, 6.5) == "stage 2  0/100\n")
    // The same stage once more, as for one null model after the other: the old rate says nothing.
    #expect(update("stage 2", 80, 14.5) == "stage 2  80/100  10/s  2 s left\n")
    #expect(update("stage 2", 0, 100) == "stage 2  0/100\n")
    #expect(update("stage 2", 40, 105) == "stage 2  40/100  8.0/s  8 s left\n")
    #expect(progress.end() == nil)
  }

  @Test("On a terminal, progress redraws one line and closes it before other text")
  func terminalProgress() {
    var progress = ProgressLine(isTerminal: true)
    _ = progress.update(label: "train", completed: 0, total: 40, detail: "", now: 0)
    let half = progress.update(label: "train", completed: 20, total: 40, detail: "loss 1.2", now: 2)
    #expect(
      half == "\r\u{1B}[2Ktrain  [##########··········]  20/40  10/s  2 s left  loss 1.2")
    #expect(progress.end() == "\n")
    #expect(progress.end() == nil)
  }

  @Test("Every kind of error has its documented exit code")
  func exitCodes() {
    #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 2, 64, 65, 66, 73, 74, 75, 130])
    let report = ErrorReport(
      ToolError(summary: "a b", remedy: "see c/d.h5", category: .badData, causes: ["C"]),
      verbose: false)
    #expect(report.lines == ["bulwark: A b.", "See c/d.h5."])
    #expect(report.status == .badData)
    let verbose = ErrorReport(
      ToolError(summary: "A.", remedy: "B.", category: .usage, causes: ["C"]), verbose: true)
    #expect(verbose.lines.last == "  because: C")
    #expect(ErrorReport(CocoaError(.fileReadNoSuchFile), verbose: false).status == .missingInput)
  }

  @Test("A path in front of an error keeps its spelling")
  func paths() {
    let exists = ErrorReport(ToolError.exists("runs"), verbose: false)
    #expect(exists.lines.first == "bulwark: 'runs' exists already.")
    let unfinished = #expect(throws: ToolError.self) { try FinishedRun("nowhere") }
    #expect(unfinished?.summary.hasPrefix("'nowhere' holds no ") == true)
  }

  @Test("The command that goes on with a run quotes what a shell would take apart")
  func continuation() {
    #expect(
      RunFolder(path: "runs/a-1").continuation
        == "bulwark run runs/a-1/recipe.yaml --out runs/a-1 --resume")
    #expect(
      RunFolder(path: "Ada's runs", skipBad: true).continuation
        == #"bulwark run 'Ada'\''s runs/recipe.yaml' --out 'Ada'\''s runs' --resume --skip-bad"#)
    #expect(ShellCommand.line(["", "$HOME", "ä.h5"]) == "'' '$HOME' ä.h5")
  }

  @Test("A remedy that names a flag names the key of a recipe, too")
  func remedies() {
    let errors: [(any BulwarkError, String)] = [
      (DataError.wrongFormat(path: "a", expected: "b", found: "c"), "data.kind"),
      (DataError.labelOutOfRange(path: "a", index: 0, label: 9, classCount: 3), "data.kind"),
      (DataError.unknownKind(path: "a", found: "b"), "data.kind"),
      (DataError.tooMuchMemory(path: "a", needed: 2, available: 1), "data.image_size"),
      (UnlearningError.differentData(expected: "a", found: "b"), "accept_different_data"),
      (PoisonError.invalidTarget(target: 9, classCount: 3), "poison.target"),
      (PoisonError.classifierMissing(attack: "a"), "poison.classifier"),
    ]
    for (error, key) in errors {
      #expect(error.remedy.contains(key) && error.remedy.contains("--"), "\(error.remedy)")
    }
  }

  @Test("Durations and sizes are given in the unit a person would use")
  func spoken() {
    #expect(spokenDuration(42) == "42 s")
    #expect(spokenDuration(200) == "3 min 20 s")
    #expect(spokenDuration(7500) == "2 h 5 min")
    #expect(spokenBytes(999) == "999 B")
    #expect(spokenBytes(12_300_000) == "12.3 MB")
    #expect(percent(0.9333) == "93.3 %")
    #expect(percent(1) == "100.0 %")
  }
}
