import BulwarkStore
import Foundation

/// The ground truth of a poisoned data set, as it is written beside it: enough to put the same trigger
/// on test images and to score a defense.
public struct PoisonManifest: Hashable, Sendable, Codable {
  /// Name and version of the format.
  public static let currentSchema = "bulwark.poison/1"
  /// Where a Bulwark HDF5 data set keeps the manifest in its provenance.
  public static let provenanceKey = "poison"

  /// `bulwark.poison/1`.
  public private(set) var schema = currentSchema
  /// Attack, rate, target, seed, draw.
  public let spec: AttackSpec
  /// What the rate is a share of, in words.
  public let rateBase: String
  /// Ascending positions of the samples that carry the trigger.
  public let poisonedIndices: [Int]
  /// Ascending positions of the samples that WaNet's noise mode warped.
  public let noiseIndices: [Int]
  /// The label of every poisoned sample before the attack, in the order of `poisonedIndices`.
  public let trueLabels: [Int]
  /// Samples of the training set.
  public let sampleCount: Int
  /// Form of the images.
  public let form: ImageForm
  /// Name of the target class.
  public let targetName: String
  /// Fingerprint of the clean training set (`ImageDataset.fingerprint`).
  public let sourceFingerprint: String
  /// Fingerprint of the poisoned training set.
  public let poisonedFingerprint: String

  init(
    spec: AttackSpec, poisonedIndices: [Int], noiseIndices: [Int], trueLabels: [Int],
    sampleCount: Int, form: ImageForm, targetName: String, sourceFingerprint: String,
    poisonedFingerprint: String
  ) {
    self.spec = spec
    rateBase = spec.rateBase
    self.poisonedIndices = poisonedIndices
    self.noiseIndices = noiseIndices
    self.trueLabels = trueLabels
    self.sampleCount = sampleCount
    self.form = form
    self.targetName = targetName
    self.sourceFingerprint = sourceFingerprint
    self.poisonedFingerprint = poisonedFingerprint
  }

  /// The attack that made the data: it puts the same trigger on other images.
  /// - Throws: `PoisonError.invalidParameter`.
  public func poisoner() throws -> Poisoner { try Poisoner(spec) }

  // MARK: Files

  /// Writes the manifest as JSON with sorted keys; the file appears whole or not at all.
  /// - Throws: `StoreError` of kind `exists`, `cannotCreate` or `writeFailed`.
  public func write(to path: String, overwrite: Bool = false) throws {
    let text = try JSONValue(encoding: self).text() + "\n"
    try AtomicFile.write(Data(text.utf8), to: path, overwrite: overwrite)
  }

  /// Reads a manifest and checks it.
  /// - Throws: `PoisonError.notAManifest` naming the file and what is wrong.
  public init(reading path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw PoisonError.notAManifest(path: path, reason: "it does not exist or cannot be read")
    }
    self = try Self.decode(path) {
      try JSONValue(parsing: String(decoding: data, as: UTF8.self))
    }
  }

  /// The manifest of a Bulwark HDF5 data set; nil when it holds none.
  /// - Parameters:
  ///   - provenance: of the data set (`DatasetFile.provenance`, `DataBundle.provenance`).
  ///   - path: where it was read from, for messages.
  /// - Throws: `PoisonError.notAManifest` when the manifest is damaged.
  public init?(in provenance: JSONValue, path: String) throws {
    guard let value = provenance[Self.provenanceKey] else { return nil }
    self = try Self.decode(path) { value }
  }

  private static func decode(_ path: String, _ json: () throws -> JSONValue) throws -> Self {
    let manifest: Self
    do {
      let value = try json()
      guard let schema = value["schema"]?.stringValue else {
        throw PoisonError.notAManifest(path: path, reason: "it has no schema")
      }
      guard schema == currentSchema else {
        throw PoisonError.notAManifest(
          path: path, reason: "its schema is \(schema), expected \(currentSchema)")
      }
      manifest = try value.decode(as: Self.self)
    } catch let error as PoisonError {
      throw error
    } catch {
      throw PoisonError.notAManifest(path: path, reason: "\(error)")
    }
    try manifest.check(path)
    return manifest
  }

  private func check(_ path: String) throws {
    func require(_ holds: Bool, _ reason: String) throws {
      guard holds else { throw PoisonError.notAManifest(path: path, reason: reason) }
    }
    func areAscending(_ indices: [Int]) -> Bool {
      zip(indices, indices.dropFirst()).allSatisfy(<)
        && indices.allSatisfy { (0..<sampleCount).contains($0) }
    }
    try require(
      areAscending(poisonedIndices), "its poisoned indices are not ascending in 0..<\(sampleCount)")
    try require(
      areAscending(noiseIndices), "its noise indices are not ascending in 0..<\(sampleCount)")
    try require(
      trueLabels.count == poisonedIndices.count,
      "it has \(trueLabels.count) true labels for \(poisonedIndices.count) poisoned samples")
    try spec.validate()
  }

  /// Makes sure that the manifest belongs to this data.
  /// - Parameter fingerprint: of the poisoned training set at hand.
  /// - Throws: `PoisonError.otherData`.
  public func checkBelongs(to fingerprint: String) throws {
    guard fingerprint == poisonedFingerprint else {
      throw PoisonError.otherData(expected: poisonedFingerprint, found: fingerprint)
    }
  }
}
