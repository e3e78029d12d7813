import BulwarkTensor

/// Loads `train/<class>/*` with an optional `test/`, `val/` or `validation/`, or `<class>/*`.
///
/// Classes are the class folders in byte order of their names; samples are ordered by class and
/// file name. A class folder may have subfolders. Hidden files are passed over, files with other
/// endings are counted in a warning.
enum ImageFolderLoader {
  /// One labeled file.
  struct Sample {
    let path: String
    let label: Int
  }

  /// The samples of one split.
  struct Listing {
    var samples: [Sample] = []
    var classNames: [String] = []
    var ignored = 0
    var broken = 0
    var warnings: [String] = []
  }

  static let testFolders = ["test", "val", "validation"]

  static func load(_ path: String, options: DataOptions) throws -> DataBundle {
    let folders = try classFolders(in: path, skipBroken: options.skipBad).folders
    var warnings: [String] = []
    var train: Listing
    var test: Listing?
    let trainRoot = try splitFolder("train", among: folders, options)
    if let trainRoot {
      train = try list(trainRoot, classNames: nil, options: options)
      for name in testFolders where test == nil {
        guard let root = try splitFolder(name, among: folders, options) else { continue }
        test = try list(root, classNames: train.classNames, options: options)
      }
    } else {
      train = try list(path, classNames: nil, options: options)
    }
    for listing in [train, test].compactMap({ $0 }) { warnings += listing.warnings }
    let ignored = train.ignored + (test?.ignored ?? 0)
    if ignored > 0 {
      warnings.append("\(ignored) file(s) that are no JPEG or PNG were passed over")
    }
    let broken = train.broken + (test?.broken ?? 0)
    if broken > 0 {
      warnings.append("\(broken) link(s) that lead nowhere or in a circle were left out")
    }

    let fraction = options.testFraction ?? (trainRoot == nil ? 0.2 : 0)
    if test == nil && fraction > 0 {
      let halves = SampleSelection.split(
        labels: train.samples.map(\.label), classCount: train.classNames.count,
        testFraction: fraction)
      var part = train
      part.samples = halves.test.map { train.samples[$0] }
      if !part.samples.isEmpty { test = part }
      train.samples = halves.train.map { train.samples[$0] }
      guard !train.samples.isEmpty else {
        throw DataError.noImages(path: path, looked: "the split leaves no training image")
      }
    }
    let trainSet = try read(train, path, limit: options.limit, like: nil, options, &warnings)
    let testSet = try test.map {
      try read($0, path, limit: options.testLimit, like: trainSet, options, &warnings)
    }
    return try DataBundle(
      train: trainSet, test: testSet, kind: .folder, path: path, warnings: warnings)
  }

  /// The class folders directly in `path`, and the broken links beside them.
  private static func classFolders(in path: String, skipBroken: Bool) throws -> (
    folders: [FolderScanner.Entry], broken: Int
  ) {
    var found: (folders: [FolderScanner.Entry], broken: Int) = ([], 0)
    for entry in try FolderScanner.entries(of: path) {
      switch entry.kind {
      case .folder: found.folders.append(entry)
      case .broken(let code):
        guard skipBroken else { throw FileBytes.failure(entry.path, code: code) }
        found.broken += 1
      case .file, .other: break
      }
    }
    return found
  }

  /// The path of a split's folder: named so and holding folders itself (a class may be called
  /// "train" too).
  private static func splitFolder(
    _ name: String, among folders: [FolderScanner.Entry], _ options: DataOptions
  ) throws -> String? {
    guard let entry = folders.first(where: { $0.name == name }),
      try !classFolders(in: entry.path, skipBroken: options.skipBad).folders.isEmpty
    else { return nil }
    return entry.path
  }

  private static func list(
    _ root: String, classNames known: [String]?, options: DataOptions
  ) throws -> Listing {
    let (folders, broken) = try classFolders(in: root, skipBroken: options.skipBad)
    guard !folders.isEmpty else {
      throw DataError.noImages(path: root, looked: "it has no class folders")
    }
    var listing = Listing(classNames: known ?? [], broken: broken)
    for folder in folders {
      let images = try FolderScanner.images(below: folder.path, skipBroken: options.skipBad)
      listing.ignored += images.ignored
      listing.broken += images.broken
      guard !images.paths.isEmpty else {
        guard options.skipBad else { throw DataError.emptyClass(path: folder.path) }
        listing.warnings.append("the empty class folder '\(folder.path)' was left out")
        continue
      }
      let label: Int
      if let known {
        guard let position = known.firstIndex(of: folder.name) else {
          throw DataError.inconsistent(
            path: folder.path, reason: "the training set has no class '\(folder.name)'")
        }
        label = position
      } else {
        label = listing.classNames.count
        listing.classNames.append(folder.name)
      }
      listing.samples += images.paths.map { Sample(path: $0, label: label) }
    }
    guard !listing.samples.isEmpty else {
      throw DataError.noImages(path: root, looked: "all of its class folders are empty")
    }
    return listing
  }

  private static func read(
    _ listing: Listing, _ path: String, limit: Int?, like model: ImageDataset?,
    _ options: DataOptions, _ warnings: inout [String]
  ) throws -> ImageDataset {
    var samples = listing.samples
    if let limit {
      let kept = SampleSelection.balanced(
        labels: samples.map(\.label), classCount: listing.classNames.count, limit: limit)
      samples = kept.map { samples[$0] }
    }
    let decoded = try ImageFileReader(options: options).read(
      samples.map(\.path), like: model, name: path)
    warnings += decoded.warnings
    return try ImageDataset(
      images: decoded.images, labels: decoded.kept.map { samples[$0].label },
      classNames: listing.classNames, sources: decoded.kept.map { samples[$0].path }, name: path)
  }
}
