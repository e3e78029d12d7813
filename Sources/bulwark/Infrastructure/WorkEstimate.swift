import BulwarkData
import BulwarkNN
import BulwarkTraining

/// What `--dry-run` answers: the time that the work will take and the memory that it needs.
struct WorkEstimate {
  /// A part of the work.
  struct Stage {
    var name: String
    /// Steps of the stage; 0 where it has none.
    var steps = 0
    var seconds: Double
  }

  let seconds: Double
  /// Largest resident size of this process so far, in bytes: what was timed held what the work will hold.
  let peakBytes = StopWatch.peakBytes()

  init(_ stages: [Stage]) { seconds = stages.reduce(0) { $0 + $1.seconds } }

  init(seconds: Double) { self.seconds = seconds }

  /// The estimate as metrics of a result.
  var metrics: [String: ResultMetric] {
    [
      "estimated_seconds": ResultMetric(seconds, unit: "seconds"),
      "estimated_peak_memory": ResultMetric(Double(peakBytes), unit: "bytes"),
    ]
  }

  /// The estimate in one line.
  ///
  /// - Parameter remark: what stands behind the time.
  /// - Returns: as `estimated: 3 min 2 s, 512.0 MB of memory`.
  func line(_ remark: String = "") -> String {
    "estimated: \(spokenDuration(seconds))\(remark), \(spokenBytes(peakBytes)) of memory"
  }
}

extension WorkEstimate {
  /// Ends the dry run of a command that judges images.
  ///
  /// - Parameters:
  ///   - result: of the command, without metrics.
  ///   - images: how many images will be judged.
  ///   - console: takes the estimate.
  /// - Throws: as `Console.finish`.
  func finish(_ result: ResultObject, images: Int, _ console: Console) throws {
    var result = result
    result.metrics = metrics
    result.details = ["dry_run": true, "images": .int(images)]
    try console.finish(result) {
      ["Everything checked; nothing was computed.", line(" for \(images) images")]
    }
  }
}

extension WorkEstimate.Stage {
  /// A stage of which a watch saw the first steps.
  init(name: String, watch: StopWatch) {
    self.init(name: name, steps: watch.steps, seconds: watch.totalSeconds)
  }
}

extension Table {
  /// The stages of an estimate, a row each.
  init(_ stages: [WorkEstimate.Stage], of what: String = "stage") {
    self.init(what, "steps", "time")
    rows = stages.map { [$0.name, String($0.steps), spokenDuration($0.seconds)] }
  }
}

extension ImageClassifier {
  /// Images whose answers are timed at most.
  private static let mostTimed = 512

  /// Seconds in which the model answers for one image, in evaluation mode.
  ///
  /// - Parameters:
  ///   - dataset: images of the kind that will be asked about; one or more.
  ///   - normalization: how pixels become input.
  ///   - session: device and precision.
  /// - Returns: seconds, of the second of two passes.
  /// - Throws: `TensorError` when the images do not fit the model.
  func secondsPerImage(
    of dataset: ImageDataset, _ normalization: Normalize, session: TrainingSession
  ) throws -> Double {
    let sample = try dataset.subset(Array(0..<min(Self.mostTimed, dataset.count)))
    func pass() throws { _ = try logits(of: sample, normalization, session: session) }
    // The first pass chooses kernels.
    try pass()
    let begin = ContinuousClock.now
    try pass()
    return (ContinuousClock.now - begin).inSeconds / Double(sample.count)
  }
}
