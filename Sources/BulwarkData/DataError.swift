import BulwarkTensor

/// What can be wrong with image data that comes from outside.
///
/// Every case names the file or folder, what was expected and what was found; `remedy` says what to do.
public enum DataError: BulwarkError, Equatable {
  /// Nothing lies at the path.
  case missing(path: String)
  /// The file or folder exists but cannot be read; `reason` is the system's.
  case unreadable(path: String, reason: String)
  /// A chain of symbolic links never ends, or a link leads back to a folder that contains it.
  case symlinkLoop(path: String)
  /// The file starts with the wrong bytes or has the wrong structure.
  case wrongFormat(path: String, expected: String, found: String)
  /// The file starts correctly but is cut off or corrupt.
  case damaged(path: String, reason: String)
  /// The image is larger than `ImageCodec.maximumSide` or `ImageCodec.maximumPixels`.
  case imageTooLarge(path: String, width: Int, height: Int)
  /// A label lies outside `0..<classCount`.
  case labelOutOfRange(path: String, index: Int, label: Int, classCount: Int)
  /// A class folder holds no image.
  case emptyClass(path: String)
  /// The data set holds no image at all.
  case noImages(path: String, looked: String)
  /// Gray and color images are mixed and no channel count was asked for.
  case mixedChannels(first: String, firstChannels: Int, second: String, secondChannels: Int)
  /// Images differ in size and no target size was asked for; sizes are (width, height).
  case mixedSizes(first: String, firstSize: [Int], second: String, secondSize: [Int])
  /// The kind of data at the path was not recognized.
  case unknownKind(path: String, found: String)
  /// The file is valid but uses something that is not supported.
  case unsupported(path: String, feature: String, remedy: String)
  /// Two parts that belong together disagree.
  case inconsistent(path: String, reason: String)
  /// The images would not fit into memory; sizes in bytes.
  case tooMuchMemory(path: String, needed: Int, available: Int)
  /// An option has an impossible value.
  case invalidOption(name: String, value: String, expected: String)
  /// The file cannot be written; `reason` is the system's.
  case cannotWrite(path: String, reason: String)
}

extension DataError {
  /// What happened, with the file, what was expected and what was found.
  public var summary: String {
    switch self {
    case .missing(let path):
      return "There is no file or folder at '\(path)'."
    case .unreadable(let path, let reason):
      return "'\(path)' cannot be read: \(reason)."
    case .symlinkLoop(let path):
      return "The symbolic link '\(path)' leads back to itself or to a folder that contains it."
    case .wrongFormat(let path, let expected, let found):
      return "'\(path)' has the wrong format: expected \(expected), found \(found)."
    case .damaged(let path, let reason):
      return "The file '\(path)' is damaged: \(reason)."
    case .imageTooLarge(let path, let width, let height):
      return "The image '\(path)' has \(width) x \(height) pixels; at most "
        + "\(ImageCodec.maximumSide) a side and \(ImageCodec.maximumPixels) in all are read."
    case .labelOutOfRange(let path, let index, let label, let classCount):
      return "Sample \(index) of '\(path)' has label \(label); expected 0...\(classCount - 1)."
    case .emptyClass(let path):
      return "The class folder '\(path)' holds no JPEG or PNG image."
    case .noImages(let path, let looked):
      return "'\(path)' holds no image: \(looked)."
    case .mixedChannels(let first, let firstChannels, let second, let secondChannels):
      return "Gray and color images are mixed: '\(first)' has \(firstChannels) channel(s), "
        + "'\(second)' has \(secondChannels)."
    case .mixedSizes(let first, let firstSize, let second, let secondSize):
      return "Images differ in size: '\(first)' has \(Self.by(firstSize)) pixels, "
        + "'\(second)' has \(Self.by(secondSize))."
    case .unknownKind(let path, let found):
      return "What kind of data set '\(path)' is cannot be told: \(found)."
    case .unsupported(let path, let feature, _):
      return "'\(path)' uses \(feature), which is not supported."
    case .inconsistent(let path, let reason):
      return "'\(path)' contradicts itself: \(reason)."
    case .tooMuchMemory(let path, let needed, let available):
      return "The images of '\(path)' need \(Self.mebibytes(needed)) MiB of memory; "
        + "\(Self.mebibytes(available)) MiB are free."
    case .invalidOption(let name, let value, let expected):
      return "The option \(name) is \(value); expected \(expected)."
    case .cannotWrite(let path, let reason):
      return "'\(path)' cannot be written: \(reason)."
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .missing:
      return "Check the path; `bulwark data inspect --help` lists data sets to download."
    case .unreadable: return "Check the permissions and that it is an ordinary file or folder."
    case .symlinkLoop: return "Remove or correct the link."
    case .wrongFormat:
      return "Check that the file is what its name says, or give the kind with --data-kind "
        + "(with a recipe or --set: data.kind)."
    case .damaged: return "Replace the file, or leave out bad files with --skip-bad."
    case .imageTooLarge: return "Make the image smaller, or leave out bad files with --skip-bad."
    case .labelOutOfRange:
      return "Correct the labels, or give the right kind with --data-kind (with a recipe or "
        + "--set: data.kind)."
    case .emptyClass:
      return "Add images, remove the folder, or leave out empty classes with --skip-bad."
    case .noImages:
      return "Give a folder with train/<class>/*.jpg|png, <class>/*.jpg|png, or known binaries."
    case .mixedChannels:
      return "Choose one with --channels 1 or 3 (with a recipe or --set: data.channels)."
    case .mixedSizes:
      return "Give --image-size N (with a recipe or --set: data.image_size): the shorter side is "
        + "scaled to N and the middle N x N is kept."
    case .unknownKind:
      return
        "Give the kind with --data-kind (with a recipe or --set: data.kind): \(DataKind.listing)."
    case .unsupported(_, _, let remedy): return remedy
    case .inconsistent: return "Download or write the data set again."
    case .tooMuchMemory:
      return "Load fewer samples with --limit or smaller ones with --image-size (with a recipe or "
        + "--set, as for `bulwark train`: data.limit, data.image_size)."
    case .invalidOption(let name, _, _): return "Correct \(name)."
    case .cannotWrite: return "Choose another place, or free some space."
    }
  }

  /// Which exit code the tool gives.
  public var category: ErrorCategory {
    switch self {
    case .missing: return .missingInput
    case .unreadable: return .inputOutput
    case .invalidOption: return .usage
    case .cannotWrite: return .cannotCreate
    case .tooMuchMemory: return .failure
    default: return .badData
    }
  }

  /// None: the summary holds the decoder's or the system's text.
  public var causes: [String] { [] }

  private static func by(_ size: [Int]) -> String { size.map(String.init).joined(separator: " x ") }
  private static func mebibytes(_ bytes: Int) -> Int { (bytes + (1 << 20) - 1) >> 20 }
}
