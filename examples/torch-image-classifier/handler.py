"""Classifies a picture: the one that an S3 event names, or {"image": …} brings along in base64."""
import base64
import io
import os
import urllib.parse

import torch
from PIL import Image
from torchvision import transforms

try:
    import boto3

    s3 = boto3.client("s3")
except ImportError:
    s3 = None

# What stands here runs once, in the function's template; each instance is a fork of it.
torch.set_num_threads(1)  # more at once are more instances
model = torch.jit.load(os.environ["MODEL_PATH"]).eval()
with open("labels.txt", encoding="utf-8") as file:
    labels = file.read().splitlines()
with torch.no_grad():
    for _ in range(2):  # PyTorch optimises a model in its first two runs: here they are nobody's wait
        model(torch.zeros(1, 3, 224, 224))
prepare = transforms.Compose([
    transforms.Resize(256),
    transforms.CenterCrop(224),
    transforms.ToTensor(),
    transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
])


def picture_of(event):
    if "image" in event:
        return base64.b64decode(event["image"])
    if s3 is None:
        raise RuntimeError("boto3 is needed to read from buckets, and is not installed")
    record = event["Records"][0]["s3"]
    key = urllib.parse.unquote_plus(record["object"]["key"])
    return s3.get_object(Bucket=record["bucket"]["name"], Key=key)["Body"].read()


def classify(event, context):
    image = Image.open(io.BytesIO(picture_of(event))).convert("RGB")
    with torch.no_grad():
        scores = torch.softmax(model(prepare(image).unsqueeze(0))[0], dim=0)
    best = int(scores.argmax())
    return {"label": labels[best], "confidence": round(float(scores[best]), 4)}
