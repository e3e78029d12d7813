import Foundation
import Synchronization
import Testing

@testable import BulwarkStore

@Suite struct FileClaimTests {
  /// Which pieces of work were done.
  private final class Log: Sendable {
    let made = Mutex<[Int]>([])
  }

  @Test func aClaimedFileIsNobodyElsesUntilItIsGivenUp() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("model.h5")
    var first = FileClaim.take(path)
    #expect(first != nil)
    #expect(FileClaim.take(path) == nil)
    #expect(FileClaim.take(folder.file("other.h5")) != nil)
    #expect(try folder.names == [".model.h5.claim"])
    first = nil
    #expect(try folder.names.isEmpty)
    #expect(FileClaim.take(path) != nil)
  }

  @Test func whereNoLockCanBeHadEverybodyGetsTheClaim() throws {
    let folder = try TemporaryFolder()
    try Data().write(to: URL(fileURLWithPath: folder.file("no folder")))
    let path = folder.file("no folder/model.h5")
    let first = FileClaim.take(path)
    let second = FileClaim.take(path)
    #expect(first != nil && second != nil)
  }

  @Test func aFolderThatIsNotThereYetIsMadeSoThatTheFirstClaimHolds() throws {
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let path = folder.file("runs/cache/model.h5")
    let first = FileClaim.take(path)
    #expect(first != nil)
    #expect(FileClaim.take(path) == nil)
  }

  @Test func aDeadProcessHoldsNoClaim() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("model.h5")
    // The shell holds the lock until it is killed.
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = [
      "-c", #"exec 9>"$0"; flock 9; echo held; read"#, folder.file(".model.h5.claim"),
    ]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
    #expect(FileClaim.take(path) == nil)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(FileClaim.take(path) != nil)
  }

  @Test func sharedWorkIsDoneOnceAndAllGetItsResults() async throws {
    let folder = try TemporaryFolder()
    let files = (0..<6).map { folder.file("\($0)") }
    let log = Log()
    let tasks = (0..<2).map { _ in
      Task.detached {
        try FileClaim.share(files, waiting: { _ in }) { index in
          if !FileManager.default.fileExists(atPath: files[index]) {
            Thread.sleep(forTimeInterval: 0.05)
            try write([UInt8(index)], files[index])
            log.made.withLock { $0.append(index) }
          }
          return try read(files[index])
        }
      }
    }
    var results: [[[UInt8]]] = []
    for task in tasks { results.append(try await task.value) }
    #expect(log.made.withLock { $0.sorted() } == [0, 1, 2, 3, 4, 5])
    #expect(results.allSatisfy { $0 == (0..<6).map { [UInt8($0)] } })
    #expect(try folder.names == ["0", "1", "2", "3", "4", "5"])
  }

  @Test func whatWaitsForOthersCanBeStopped() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    let files = [folder.file("a"), folder.file("b")]
    let claim = FileClaim.take(files[0])
    var done: [Int] = []
    var waits: [Bool] = []
    #expect(throws: Stop.self) {
      try FileClaim.share(
        files,
        waiting: { isFirst in
          waits.append(isFirst)
          if waits.count == 2 { throw Stop() }
        }
      ) { done.append($0) }
    }
    withExtendedLifetime(claim) { #expect(done == [1] && waits == [true, false]) }
  }
}
