import Foundation
import Testing

@testable import BulwarkData
@testable import BulwarkTensor

@Suite("Image folders")
struct ImageFolderTests {
  @Test("train/ and test/ with spaces in names load in byte order of classes and files")
  func splits() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    try makeClasses(scratch, "test/", count: 2)
    let bundle = try DataSource.load(scratch.path)
    #expect(bundle.kind == .folder)
    #expect(bundle.train.classNames == ["black cat", "dog"])
    #expect(bundle.train.labels == [0, 0, 0, 1, 1, 1])
    #expect(bundle.test?.labels == [0, 0, 1, 1])
    #expect(bundle.train.images.shape == [6, 3, 8, 8])
    #expect(bundle.train.sources?[4].hasSuffix("train/dog/1.png") == true)
    #expect(try bundle.train.raster(4) == picture(seed: 11))
    #expect(bundle.warnings.isEmpty)
  }

  @Test("<class>/* alone is split by class, the same way every time")
  func flat() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "", count: 10, size: 4)
    let first = try DataSource.load(scratch.path)
    let second = try DataSource.load(scratch.path)
    #expect(first.train.countsPerClass == [8, 8])
    #expect(first.test?.countsPerClass == [2, 2])
    #expect(first.train.sources == second.train.sources)
    let both = Set(first.train.sources ?? []).union(first.test?.sources ?? [])
    #expect(both.count == 20)
  }

  @Test("A class may be called train")
  func classCalledTrain() throws {
    let scratch = try Scratch()
    for name in ["car", "train"] {
      for index in 0..<2 {
        try scratch.write(ImageCodec.encodePNG(picture()), "\(name)/\(index).png")
      }
    }
    let bundle = try DataSource.load(
      scratch.path, options: DataOptions(testFraction: 0))
    #expect(bundle.train.classNames == ["car", "train"])
    #expect(bundle.test == nil)
  }

  @Test("A class called train does not take the test part away")
  func classCalledTrainIsSplit() throws {
    let scratch = try Scratch()
    for name in ["car", "train"] {
      for index in 0..<10 {
        try scratch.write(ImageCodec.encodePNG(picture(4, 4)), "\(name)/\(index).png")
      }
    }
    let bundle = try DataSource.load(scratch.path)
    #expect(bundle.train.countsPerClass == [8, 8])
    #expect(bundle.test?.countsPerClass == [2, 2])
  }

  @Test("With skipBad, links that lead nowhere or in a circle are left out and counted")
  func skipsBrokenLinks() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    try scratch.link("train/dog/x.png", to: "x.png")
    try scratch.link("train/dog/gone.txt", to: "nowhere")
    try scratch.link("train/dog/again", to: ".")
    try scratch.link("train/old", to: "nowhere")
    #expect(dataError { _ = try DataSource.load(scratch.path) } != nil)
    let bundle = try DataSource.load(scratch.path, options: DataOptions(skipBad: true))
    #expect(bundle.train.count == 6)
    #expect(
      bundle.warnings == ["4 link(s) that lead nowhere or in a circle were left out"])
  }

  @Test("Other files are passed over and counted; hidden ones are not mentioned")
  func otherFiles() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    try scratch.write([1], "train/dog/notes.txt")
    try scratch.write([1], "train/dog/.DS_Store")
    let bundle = try DataSource.load(scratch.path)
    #expect(bundle.train.count == 6)
    #expect(bundle.warnings == ["1 file(s) that are no JPEG or PNG were passed over"])
  }

  @Test("Mixed sizes are refused by naming two files and the option, and load with it")
  func mixedSizes() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    let odd = try scratch.write(
      ImageCodec.encodePNG(picture(20, 10)), "train/dog/9.png")
    let error = dataError { _ = try DataSource.load(scratch.path) }
    guard case .mixedSizes(_, [8, 8], odd, [20, 10]) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.remedy.contains("--image-size") == true)
    let bundle = try DataSource.load(scratch.path, options: DataOptions(imageSize: 6))
    #expect(bundle.train.images.shape == [7, 3, 6, 6])
  }

  @Test("Mixed channels are refused unless a number is asked for")
  func mixedChannels() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    try scratch.write(ImageCodec.encodePNG(picture(channels: 1)), "train/dog/gray.png")
    let error = dataError { _ = try DataSource.load(scratch.path) }
    guard case .mixedChannels(_, 3, let second, 1) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(second.hasSuffix("gray.png"))
    for channels in [1, 3] {
      let bundle = try DataSource.load(scratch.path, options: DataOptions(channels: channels))
      #expect(bundle.train.channels == channels)
    }
  }

  @Test("A truncated image is named, or with skipBad left out and counted")
  func truncated() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    let bytes = try ImageCodec.encodePNG(picture(seed: 3))
    let bad = try scratch.write(Array(bytes.prefix(60)), "train/dog/0.png")
    let error = dataError { _ = try DataSource.load(scratch.path) }
    guard case .damaged(bad, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    let bundle = try DataSource.load(scratch.path, options: DataOptions(skipBad: true))
    #expect(bundle.train.labels == [0, 0, 0, 1, 1])
    #expect(bundle.warnings.first?.hasPrefix("1 bad image(s) were left out") == true)
    #expect(bundle.warnings.first?.contains("train/dog/0.png") == true)
    #expect(try bundle.train.raster(3) == picture(seed: 11))
  }

  @Test("The first bad file is reported, whatever the threads do")
  func firstBadFile() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/", count: 30)
    let first = try scratch.write([1, 2, 3], "train/dog/1.png")
    try scratch.write([1, 2, 3], "train/dog/2.png")
    for _ in 0..<5 {
      guard case .wrongFormat(first, _, _) = dataError({ _ = try DataSource.load(scratch.path) })
      else {
        Issue.record("another file was reported")
        return
      }
    }
  }

  @Test("An empty class is named, or with skipBad left out with a warning")
  func emptyClass() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    let empty = try scratch.folder("train/empty")
    #expect(dataError { _ = try DataSource.load(scratch.path) } == .emptyClass(path: empty))
    let bundle = try DataSource.load(scratch.path, options: DataOptions(skipBad: true))
    #expect(bundle.train.classNames == ["black cat", "dog"])
    #expect(bundle.warnings.count == 1)
  }

  @Test("A folder without images, a missing path and a plain file say what they are")
  func nothing() throws {
    let scratch = try Scratch()
    #expect(
      dataError { _ = try DataSource.load(scratch.path) }
        == .noImages(path: scratch.path, looked: "the folder is empty"))
    let missing = scratch.path + "/nowhere"
    let error = dataError { _ = try DataSource.load(missing) }
    #expect(error == .missing(path: missing))
    #expect(error?.category == .missingInput)
    let file = try scratch.write([1, 2, 3], "file.bin")
    guard case .unknownKind(file, _) = dataError({ _ = try DataSource.load(file) }) else {
      Issue.record("a plain file was not refused")
      return
    }
  }

  @Test("A link that leads back to its own folder is found")
  func loop() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    try scratch.link("train/dog/again", to: scratch.path + "/train/dog")
    guard case .symlinkLoop(let path) = dataError({ _ = try DataSource.load(scratch.path) }) else {
      Issue.record("the loop was not found")
      return
    }
    #expect(path.hasSuffix("train/dog/again"))
  }

  @Test("A link to itself is found, as an image and as the path")
  func selfLink() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    let other = try Scratch()
    try other.link("self", to: "self")
    for path in [other.path + "/self", other.path] {
      #expect(
        dataError { _ = try DataSource.load(path) } == .symlinkLoop(path: other.path + "/self"))
    }
    try scratch.link("train/dog/x.png", to: "x.png")
    #expect(
      dataError { _ = try DataSource.load(scratch.path) }
        == .symlinkLoop(path: scratch.path + "/train/dog/x.png"))
  }

  @Test("Links to images and to folders elsewhere are followed")
  func goodLinks() throws {
    let scratch = try Scratch()
    let elsewhere = try Scratch()
    try makeClasses(scratch, "train/")
    try elsewhere.write(ImageCodec.encodePNG(picture()), "x/0.png")
    try scratch.link("train/other", to: elsewhere.path + "/x")
    #expect(try DataSource.load(scratch.path).train.classNames == ["black cat", "dog", "other"])
  }

  @Test("A test class that training does not have is refused")
  func foreignTestClass() throws {
    let scratch = try Scratch()
    try makeClasses(scratch, "train/")
    try scratch.write(ImageCodec.encodePNG(picture()), "test/bird/0.png")
    guard case .inconsistent(let path, _) = dataError({ _ = try DataSource.load(scratch.path) })
    else {
      Issue.record("the class was not refused")
      return
    }
    #expect(path.hasSuffix("test/bird"))
  }
}
