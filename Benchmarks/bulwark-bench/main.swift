import BulwarkTensor
import Foundation

// One measurement a process, so that peak memory belongs to it alone. Benchmarks/run alternates this
// program with Benchmarks/reference.py; every measurement prints one line of JSON.
let usage = """
  usage: bulwark-bench train-step [width=64] [batch=128] [precision=fp32|bf16] [steps=8] [threads=1]
         bulwark-bench simclr-epoch [width=64] [images=10000] [batch=512] [precision=…] [threads=2]
         bulwark-bench checkpoint [width=64] [folder=/tmp] [rounds=5]
         bulwark-bench salun [width=64] [images=1280] [batch=256] [epochs=1] [from=layer4] [precision=…] [threads=2]
         bulwark-bench mask-ranking [width=64] [rounds=5]

  """

do {
  let settings = try Settings(Array(CommandLine.arguments.dropFirst(2)))
  switch CommandLine.arguments.dropFirst().first {
  case "train-step": try TrainStep(settings).run()
  case "simclr-epoch": try SimCLREpoch(settings).run()
  case "checkpoint": try CheckpointSpeed(settings).run()
  case "salun": try SalUnRun(settings).run()
  case "mask-ranking": try MaskRanking(settings).run()
  default:
    FileHandle.standardError.write(Data(usage.utf8))
    exit(64)
  }
} catch {
  FileHandle.standardError.write(Data("bulwark-bench: \(error)\n".utf8))
  exit(1)
}
