"""The reference side of the benchmarks: PyTorch, one measurement a process, one line of JSON.

    python Benchmarks/reference.py train-step [width=64] [batch=128] [mode=eager|tuned] \\
        [precision=fp32|bf16] [steps=8] [threads=1]
    python Benchmarks/reference.py simclr-epoch [width=64] [images=10000] [batch=512] [threads=2]
    python Benchmarks/reference.py salun [width=64] [images=1280] [batch=256] [epochs=1] [threads=2]
    python Benchmarks/reference.py mask-ranking [width=64] [threads=1]

`eager` is how the official repositories of the papers run: float32, row-major layout, SGD as it comes.
`tuned` is tuned as Bulwark is: channels-last, fused SGD, glibc kept from returning large blocks to
the kernel, bfloat16 autocast where asked for. `simclr-epoch` augments sample by sample with torchvision's
transforms on PIL images, in a DataLoader with as many workers as threads. `salun` does what the method's
official repository does: gradients of the forget set summed batch by batch, all weights sorted once for
each of ten ratios, then random labels under the mask, frozen weights put back after every step.
"""

import ctypes
import functools
import json
import random
import sys
import time

ARGUMENTS = dict(a.split("=", 1) for a in sys.argv[2:])
MODE = ARGUMENTS.get("mode", "eager")
if MODE == "tuned":
    libc = ctypes.CDLL(None)
    libc.mallopt(-4, 0)  # M_MMAP_MAX
    libc.mallopt(-1, -1)  # M_TRIM_THRESHOLD

import torch  # noqa: E402
from torch import nn  # noqa: E402


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += shortcut
        return self.relu(out)


class ResNet18(nn.Module):
    def __init__(self, width, outputs):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        blocks, inputs = [], width
        for stage in range(4):
            for index in range(2):
                blocks.append(Block(inputs, width << stage, 2 if stage and not index else 1))
                inputs = width << stage
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = outputs

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


def number(name, standard):
    return int(ARGUMENTS.get(name, standard))


def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def report(**values):
    print(json.dumps({name: round(value, 3) for name, value in values.items()}))


def train_step():
    torch.set_num_threads(number("threads", 1))
    width, count = number("width", 64), number("batch", 128)
    model = ResNet18(width, nn.Linear(8 * width, 10))
    images, labels = torch.randn(count, 3, 32, 32), torch.randint(10, (count,))
    tuned = MODE == "tuned"
    if tuned:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, fused=True if tuned else None)
    half = ARGUMENTS.get("precision", "fp32") == "bf16"
    times = []
    for _ in range(2 + number("steps", 8)):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - start)
    times = sorted(times[2:])
    median = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
    report(images_per_second=count / median, seconds=median, fastest=times[0], peak_mib=peak())


@functools.cache
def torchvision_transforms():
    """The module. Beside a CPU build of torch, torchvision of the registry cannot load its C++ operators.
    Transforms do not need them, but the import asks for two by name: they are declared, not defined."""
    import importlib.util
    import pathlib
    folder = pathlib.Path(importlib.util.find_spec("torchvision").origin).parent
    try:
        torch.ops.load_library(str(next(folder.glob("_C*.so"))))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision_transforms.library = library
    import torchvision.transforms
    return torchvision.transforms


class PillowBlur:
    """The Gaussian blur of SimCLR's and DBD's code: a radius of 0.1 to 2 pixels."""

    def __call__(self, image):
        from PIL import ImageFilter
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2)))


class Views(torch.utils.data.Dataset):
    """Two random views a sample: torchvision's transforms in the configuration of DBD's code."""

    def __init__(self, images):
        t = torchvision_transforms()
        self.images = images
        self.view = t.Compose([
            t.RandomResizedCrop(
                32, scale=(0.2, 1), interpolation=t.InterpolationMode.BICUBIC),
            t.RandomHorizontalFlip(),
            t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            t.RandomGrayscale(0.2),
            t.RandomApply([PillowBlur()], p=0.5),
            t.ToTensor(),
            t.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        ])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        from PIL import Image
        image = Image.fromarray(self.images[index])
        return self.view(image), self.view(image)


def contrastive(first, second, temperature=0.5):
    """SimCLR's loss over the anchors of the first view, as DBD's official code has it."""
    everything = torch.cat([first, second])
    similarity = first @ everything.T / temperature
    own = torch.arange(len(first))
    similarity[own, own] = -1e9
    return nn.functional.cross_entropy(similarity, own + len(first))


def simclr_epoch():
    threads = number("threads", 2)
    torch.set_num_threads(threads)
    width, count, size = number("width", 64), number("images", 10_000), number("batch", 512)
    head = nn.Sequential(nn.Linear(8 * width, 8 * width), nn.BatchNorm1d(8 * width),
                         nn.ReLU(inplace=True), nn.Linear(8 * width, 128))
    model = ResNet18(width, head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9, weight_decay=1e-4)
    images = torch.randint(256, (count, 32, 32, 3), dtype=torch.uint8).numpy()

    def step(first, second):
        embeddings = nn.functional.normalize(model(torch.cat([first, second])))
        loss = contrastive(*embeddings.split(len(first)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    noise = torch.randn(size, 3, 32, 32)
    step(noise, noise.flip(3))
    loader = torch.utils.data.DataLoader(
        Views(images), size, shuffle=True, num_workers=threads, drop_last=True)
    start = time.perf_counter()
    seen = 0
    for first, second in loader:
        step(first, second)
        seen += len(first)
    seconds = time.perf_counter() - start
    report(images_per_second=seen / seconds, seconds=seconds, peak_mib=peak())


class Samples(torch.utils.data.Dataset):
    """Images with random crops and flips by torchvision, sample by sample; labels that may be changed."""

    def __init__(self, images, labels):
        t = torchvision_transforms()
        self.images, self.labels = images, labels
        self.view = t.Compose([t.RandomCrop(32, padding=4), t.RandomHorizontalFlip(), t.ToTensor()])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        from PIL import Image
        return self.view(Image.fromarray(self.images[index])), self.labels[index]


class Normalized(nn.Module):
    """Normalization as the first layer of the model."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.2470, 0.2435, 0.2616]).view(3, 1, 1))

    def forward(self, x):
        return self.model((x - self.mean) / self.deviation)


def ten_masks(scores):
    """One mask for each ratio 0.1, 0.2, ... 1.0, each by a sort of all weights."""
    masks = []
    for tenth in range(1, 11):
        everything = torch.cat([score.flatten() for score in scores])
        chosen = torch.argsort(everything, descending=True)[:len(everything) * tenth // 10]
        flat = torch.zeros_like(everything)
        flat[chosen] = 1
        parts = flat.split([score.numel() for score in scores])
        masks.append([part.view_as(score) for part, score in zip(parts, scores)])
    return masks


def salun():
    threads = number("threads", 2)
    torch.set_num_threads(threads)
    width, count, size = number("width", 64), number("images", 1280), number("batch", 256)
    model = Normalized(ResNet18(width, nn.Linear(8 * width, 10)))
    images = torch.randint(256, (count, 32, 32, 3), dtype=torch.uint8).numpy()
    labels = [index % 10 for index in range(count)]
    forget = count // 10

    def loader(samples):
        return torch.utils.data.DataLoader(samples, size, shuffle=True, num_workers=threads)

    start = time.perf_counter()
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.006, momentum=0.9, weight_decay=5e-4)
    sums = [torch.zeros_like(p) for p in parameters]
    model.eval()
    for x, y in loader(Samples(images[:forget], labels[:forget])):
        loss = -nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            for total, p in zip(sums, parameters):
                total += p.grad
    mask = ten_masks([total.abs() for total in sums])[4]
    masking = time.perf_counter() - start
    model.train()
    for _ in range(number("epochs", 1)):
        frozen = [p.detach().clone() for p in parameters]
        for index in range(forget):
            labels[index] = random.randrange(10)
        for x, y in loader(Samples(images, labels)):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            for p, m in zip(parameters, mask):
                p.grad *= m
            optimizer.step()
            with torch.no_grad():
                for p, m, old in zip(parameters, mask, frozen):
                    p.copy_(m * p + (1 - m) * old)
                    optimizer.state[p]["momentum_buffer"] *= m
            loss.item()
    seconds = time.perf_counter() - start
    report(images_per_second=count * number("epochs", 1) / seconds, seconds=seconds,
           mask_seconds=masking, peak_mib=peak())


def mask_ranking():
    torch.set_num_threads(number("threads", 1))
    width = number("width", 64)
    scores = [torch.randn_like(p).abs() for p in ResNet18(width, nn.Linear(8 * width, 10)).parameters()]
    start = time.perf_counter()
    masks = ten_masks(scores)
    report(seconds=time.perf_counter() - start, weights=sum(m.numel() for m in masks[4]),
           kept=sum(m.sum().item() for m in masks[4]))


if __name__ == "__main__":
    {"train-step": train_step, "simclr-epoch": simclr_epoch, "salun": salun,
     "mask-ranking": mask_ranking}[sys.argv[1]]()
