"""PyTorch: nn.LSTM (oneDNN), eager; with as many threads as are fastest."""
import sys
import numpy as np, torch
from worker import Work, faster, serve

work = Work(sys.argv[1])


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        width, self.lstms = work.features, torch.nn.ModuleList()
        for units in work.units:
            self.lstms.append(torch.nn.LSTM(width, units, batch_first=True, bidirectional=True))
            width = 2 * units
        self.dropout, self.dense = torch.nn.Dropout(work.dropout), torch.nn.Linear(width, work.outputs)
        tensors = [torch.from_numpy(t.copy()) for t in work.weights()]
        with torch.no_grad():
            for lstm in self.lstms:
                for suffix in ("_l0", "_l0_reverse"):
                    kernel, recurrent, bias = (tensors.pop(0) for _ in range(3))
                    getattr(lstm, "weight_ih" + suffix).copy_(kernel.T)
                    getattr(lstm, "weight_hh" + suffix).copy_(recurrent.T)
                    getattr(lstm, "bias_ih" + suffix).copy_(bias)
                    getattr(lstm, "bias_hh" + suffix).zero_()
            self.dense.weight.copy_(tensors[0].T)
            self.dense.bias.copy_(tensors[1])

    def forward(self, x):
        for lstm in self.lstms[:-1]:
            x = self.dropout(lstm(x)[0])
        _, (h, _) = self.lstms[-1](x)
        return self.dense(self.dropout(torch.cat([h[0], h[1]], dim=1)))


nets = [Net() for _ in range(work.seeds)]
optimizers = [torch.optim.Adam(net.parameters(), lr=1e-3, foreach=True) for net in nets]
x, y = torch.from_numpy(work.x), torch.from_numpy(work.y)


def epoch(windows=work.windows):
    for net, optimizer in zip(nets, optimizers):
        net.train()
        for first in range(0, windows, work.batch):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(net(x[first : first + work.batch]), y[first : first + work.batch]).backward()
            optimizer.step()


best = {}


def with_threads(kind, action):
    torch.set_num_threads(best[kind])
    return action()


def predict(x):
    torch.set_num_threads(best[min(len(x), 2)])
    fresh.eval()
    with torch.inference_mode():
        return fresh(torch.from_numpy(x)).numpy()


fresh = Net()
part = min(work.windows, 16 * work.batch)
best["epoch"] = faster((1, 2), lambda threads: (torch.set_num_threads(threads), epoch(part)))


def many(n, threads):
    best[min(n, 2)] = threads
    for _ in range(20 if n == 1 else 1):
        predict(work.x[:n])


best[1] = faster((1, 2), lambda threads: many(1, threads))
best[2] = faster((1, 2), lambda threads: many(512, threads))
serve(f"{torch.__version__}, threads {best['epoch']} to train, {best[1]} for one forecast, {best[2]} for 512", lambda: with_threads("epoch", epoch), predict)
