# SPDX-License-Identifier: Apache-2.0
"""PyTorch in forked instances: the first inference is right and repeatable, with one thread and with more;
instances draw different numbers."""
import concurrent.futures
import time

import pytest
from conftest import Server, zip_of
from runtime_support import deploy, wait_for
from torch_support import RUNTIMES, need_torch

CODE = '''
import torch
from torchvision import transforms

generator = torch.Generator().manual_seed(7)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(8),
                          torch.nn.Flatten(), torch.nn.Linear(1024, 256)).eval()
for parameter in net.parameters():
    parameter.data = torch.randn(parameter.shape, generator=generator) / 8
picture = torch.rand(4, 3, 96, 96, generator=generator)

def infer():
    with torch.no_grad():
        return net(picture).double().sum().item()

IN_TEMPLATE = infer()

def handler(event, context):
    return {"first": infer(), "again": infer(), "template": IN_TEMPLATE,
            "threads": torch.get_num_threads(), "drawn": torch.rand(1).item()}
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    need_torch()
    one = Server(tmp_path_factory.mktemp("torch") / "data", "--idle", "1ms", "--max-instances", "4",
                 env={"ROUSE_RUNTIMES": RUNTIMES}).start()
    yield one
    assert one.stop() == 0


@pytest.mark.parametrize("memory", [1024, 4096])
def test_first_inferences_are_right_and_repeatable(server, memory):
    function = deploy(server, zip_of({"app.py": CODE}), "python3.11", "app.handler", Timeout=60, MemorySize=memory)

    def call(_):
        answer = function({})
        assert answer.error is None, answer.log
        return answer

    wait_for(lambda: call(0).tier == "warm", 120)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(call, range(24)))
    for _ in range(200):  # until instances have gone, and others are forked
        if [answer.tier for answer in answers].count("warm") < 2:
            time.sleep(0.05)
            answers.append(call(0))
    assert [answer.tier for answer in answers].count("warm") >= 2
    results = [answer.json for answer in answers]
    for result in results:
        assert result["first"] == result["again"] == pytest.approx(result["template"], rel=1e-6)
        assert result["threads"] == results[0]["threads"] <= max(memory // 1769, 1)
    assert len({result["first"] for result in results}) == 1
    assert len({result["drawn"] for result in results}) == len(results)
