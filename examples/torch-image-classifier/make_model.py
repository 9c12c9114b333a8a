"""Makes a small model to begin with: a few convolutions that learn to tell circles, squares and triangles
apart, in some seconds, from pictures that are drawn here. Writes layer/ml/model/model.pt, and picture.png
and event.json to try it with. A model of your own takes its place: torch.jit.trace(model, example).save(…)."""
import base64
import json
import math
import os
import random

import torch
from PIL import Image, ImageDraw
from torch import nn
from torchvision import transforms

SHAPES = ("circle", "square", "triangle")  # labels.txt
SIZE = 224
to_tensor = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
])


def draw(shape):
    """A bright shape somewhere in a dark picture, of some size, turned by some angle."""
    back, fore = (tuple(random.randint(*tones) for _ in range(3)) for tones in ((0, 100), (160, 255)))
    image = Image.new("RGB", (SIZE, SIZE), back)
    radius, turn = random.randint(40, 80), random.random() * math.tau
    x, y = (random.randint(radius, SIZE - radius) for _ in range(2))
    corners = {"circle": 60, "square": 4, "triangle": 3}[shape]
    angles = (turn + i * math.tau / corners for i in range(corners))
    ImageDraw.Draw(image).polygon([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles], fill=fore)
    return image


def batch(size):
    kinds = [random.randrange(len(SHAPES)) for _ in range(size)]
    return torch.stack([to_tensor(draw(SHAPES[kind])) for kind in kinds]), torch.tensor(kinds)


def block(inputs, outputs, stride):
    return [nn.Conv2d(inputs, outputs, 5, stride, padding=2), nn.BatchNorm2d(outputs), nn.ReLU()]


def train(steps):
    model = nn.Sequential(nn.AvgPool2d(4), *block(3, 16, 2), *block(16, 32, 2), *block(32, 32, 1),
                          nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, len(SHAPES)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(steps):
        pictures, kinds = batch(24)
        loss = nn.functional.cross_entropy(model(pictures), kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 40 == 0:
            print(f"step {step + 1} of {steps}: loss {loss.item():.3f}", flush=True)
    return model.eval()


def main():
    random.seed(1)
    torch.manual_seed(1)
    model = train(steps=120)
    with torch.no_grad():
        pictures, kinds = batch(60)
        right = (model(pictures).argmax(dim=1) == kinds).float().mean().item()
        traced = torch.jit.trace(model, torch.zeros(1, 3, SIZE, SIZE))
    os.makedirs("layer/ml/model", exist_ok=True)
    traced.save("layer/ml/model/model.pt")
    draw("triangle").save("picture.png")
    with open("picture.png", "rb") as picture, open("event.json", "w", encoding="utf-8") as event:
        json.dump({"image": base64.b64encode(picture.read()).decode()}, event)
    print(f"layer/ml/model/model.pt is right for {right:.0%} of pictures that it has not seen")


if __name__ == "__main__":
    main()
