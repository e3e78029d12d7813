import BulwarkTensor
import Dispatch
import Glibc

/// `ELOOP`: too many levels of symbolic links.
let ELOOPCode = Int32(ELOOP)

/// Decodes many image files at once, straight into the array that stays resident.
struct ImageFileReader {
  /// Channels, size, skipping and threads; the rest is not used.
  let options: DataOptions

  /// What was read.
  struct Result {
    /// `[N, C, H, W]`, uint8.
    let images: Tensor
    /// Positions of the N good files among those asked for.
    let kept: [Int]
    let warnings: [String]
  }

  /// The form that every image gets and the file that decided it.
  private struct Form {
    let file: String
    let width: Int
    let height: Int
    let channels: Int
    var bytes: Int { width * height * channels }
  }

  /// Reads files in order.
  /// - Parameters:
  ///   - paths: at least one file.
  ///   - model: a data set whose channels and size the images must have.
  ///   - name: the data set's path for error messages.
  /// - Returns: the images and which files they came from.
  /// - Throws: the `DataError` of the first bad file, unless bad files are skipped.
  func read(_ paths: [String], like model: ImageDataset?, name: String) throws -> Result {
    let form = try form(of: paths, like: model, name: name)
    try Self.requireMemory(paths.count * form.bytes, name)
    var failures = [DataError?](repeating: nil, count: paths.count)
    let images = try Tensor.filled(
      [paths.count, form.channels, form.height, form.width], dtype: .uint8
    ) { target in
      // In blocks, so that a bad file stops the work soon without a race for who reports first.
      for start in stride(from: 0, to: paths.count, by: 512) {
        let end = min(paths.count, start + 512)
        failures.withUnsafeMutableBufferPointer { failures in
          nonisolated(unsafe) let failures = failures
          nonisolated(unsafe) let target = target
          DispatchQueue.concurrentPerform(iterations: options.threads) { thread in
            for index in stride(from: start + thread, to: end, by: options.threads) {
              let slot = UnsafeMutableRawBufferPointer(
                rebasing: target[index * form.bytes..<(index + 1) * form.bytes])
              failures[index] = decode(paths[index], form: form, into: slot)
            }
          }
        }
        if !options.skipBad, let first = failures[start..<end].compactMap({ $0 }).first {
          throw first
        }
      }
    }
    let kept = paths.indices.filter { failures[$0] == nil }
    guard kept.count < paths.count else { return Result(images: images, kept: kept, warnings: []) }
    guard let first = failures.compactMap({ $0 }).first, !kept.isEmpty else {
      throw DataError.noImages(path: name, looked: "every image is bad")
    }
    let skipped = paths.count - kept.count
    return Result(
      images: try images.indexSelect(0, Tensor(kept)), kept: kept,
      warnings: ["\(skipped) bad image(s) were left out, the first: \(first.summary)"])
  }

  /// Decodes one file into its place; returns what is wrong with it.
  private func decode(
    _ path: String, form: Form, into slot: UnsafeMutableRawBufferPointer
  ) -> DataError? {
    do {
      var image = try ImageCodec.decode(path: path, channels: options.channels)
      if let side = options.imageSize {
        let ratio = max(image.width, image.height) / min(image.width, image.height)
        guard ratio * side * side <= ImageCodec.maximumPixels else {
          return .unsupported(
            path: path, feature: "a side ratio of \(image.width) : \(image.height)",
            remedy:
              "Crop the image, choose a smaller --image-size (with a recipe: data.image_size), or "
              + "use --skip-bad.")
        }
        image = ImageResizer.centerSquare(image, side: side)
      }
      guard image.channels == form.channels else {
        return .mixedChannels(
          first: form.file, firstChannels: form.channels, second: path,
          secondChannels: image.channels)
      }
      guard image.width == form.width, image.height == form.height else {
        return .mixedSizes(
          first: form.file, firstSize: [form.width, form.height], second: path,
          secondSize: [image.width, image.height])
      }
      image.copyPlanar(to: slot)
      return nil
    } catch let error as DataError {
      return error
    } catch {
      return .unreadable(path: path, reason: "\(error)")
    }
  }

  /// The form: of the model, else of the first file whose header is good.
  private func form(of paths: [String], like model: ImageDataset?, name: String) throws -> Form {
    if let model {
      return Form(
        file: model.sources?.first ?? "the training set", width: model.width,
        height: model.height, channels: model.channels)
    }
    for path in paths {
      do {
        let header = try ImageCodec.probe(path: path)
        return Form(
          file: path, width: options.imageSize ?? header.width,
          height: options.imageSize ?? header.height,
          channels: options.channels ?? header.channels)
      } catch  where options.skipBad {
        continue
      }
    }
    throw DataError.noImages(path: name, looked: "every image is bad")
  }

  /// Refuses what would not fit into memory.
  /// - Throws: `DataError.tooMuchMemory`.
  static func requireMemory(_ needed: Int, _ name: String) throws {
    guard let available = availableMemory(), needed > available else { return }
    throw DataError.tooMuchMemory(path: name, needed: needed, available: available)
  }

  /// Bytes that can be used without swapping; nil where the system does not tell.
  private static func availableMemory() -> Int? {
    guard let file = fopen("/proc/meminfo", "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let bytes = line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
      let text = String(decoding: bytes, as: UTF8.self)
      guard text.hasPrefix("MemAvailable:") else { continue }
      return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
    }
    return nil
  }
}
