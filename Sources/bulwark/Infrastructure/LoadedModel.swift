import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// A checkpoint ready to compute, checked against the data it is used on.
struct LoadedModel {
  let path: String
  let checkpoint: Checkpoint
  let model: ImageClassifier
  let normalization: Normalize

  /// Reads a model.
  ///
  /// - Parameters:
  ///   - path: of the checkpoint.
  ///   - device: where the model is wanted.
  ///   - console: is told where its training was stopped half way; nil for nobody.
  /// - Throws: `StoreError`; `ToolError` for weights that do not fit their architecture.
  init(_ path: String, device: Device, console: Console? = nil) throws {
    self.path = path
    checkpoint = try Checkpoint(reading: path)
    normalization = try checkpoint.inputNormalization()
    do {
      model = try ImageClassifier.restored(from: checkpoint, device: device)
    } catch let mismatch as StateMismatch {
      throw ToolError(
        summary: "\(path): \(mismatch.summary).", remedy: "Use the file as Bulwark wrote it.",
        category: .badData, causes: mismatch.causes)
    }
    let progress = checkpoint.progress
    if progress.isUnfinished {
      console?.note(
        "note: the training in \(path) is not finished: stage \(progress.stage), step \(progress.step)"
      )
    }
  }

  /// Throws unless the images have the channels and the classes that the model was trained on.
  func check(_ dataset: ImageDataset, path dataPath: String) throws {
    let architecture = model.architecture
    guard dataset.channels == architecture.channels else {
      throw ToolError(
        summary: "\(path) was trained on images of \(architecture.channels) channel(s), "
          + "\(dataPath) has \(dataset.channels).",
        remedy: "Convert the images with --channels \(architecture.channels) (with a recipe or "
          + "--set: data.channels).", category: .badData)
    }
    guard dataset.classCount == architecture.classes else {
      throw ToolError(
        summary: "\(path) knows \(architecture.classes) classes, \(dataPath) has "
          + "\(dataset.classCount).",
        remedy: "Use the data set that the model was trained on.", category: .badData)
    }
    if !checkpoint.classNames.isEmpty, checkpoint.classNames != dataset.classNames {
      throw ToolError(
        summary: "\(path) names its classes \(checkpoint.classNames.joined(separator: ", ")), "
          + "\(dataPath) names them \(dataset.classNames.joined(separator: ", ")).",
        remedy: "Bring the classes into the order that the model was trained with; where only the "
          + "names differ, name the folders alike, or import the weights again with --class-names.",
        category: .badData)
    }
  }

  /// The checkpoint as a result's `inputs` name it: its path, the digest of its file, and that of the
  /// recipe which it holds, where it holds one.
  ///
  /// - Throws: `StoreError` when the file cannot be read again.
  func inputs() throws -> [String: JSONValue] {
    let summary = try Checkpoint.inspectSummary(path)
    var inputs: [String: JSONValue] = [
      "checkpoint": .string(path), "checkpoint_digest": .string(summary.digest),
    ]
    if let recipe = checkpoint.recipe {
      inputs["checkpoint_recipe"] = .string("sha256:\(SHA256Digest(of: recipe))")
    }
    return inputs
  }
}
