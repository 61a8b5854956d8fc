// A training loop of one's own: any network, any loss, any penalty. Here the hinge loss with R1.
//   node dist/examples/losses.js [steps]

import {
  Adam,
  backward,
  createDiscriminator,
  createGenerator,
  createLoss,
  FlatParameters,
  manualSeed,
  type NetworkDescription,
  noGrad,
  r1Penalty,
  randn,
  scope,
  setThreads,
} from "stylegan";

const steps = Number(process.argv[2] ?? 20);
const batch = 8;
const gamma = 1;

const description: NetworkDescription = {
  architecture: "progan",
  config: {
    resolution: 8,
    zDim: 16,
    cDim: 0,
    channelBase: 128,
    channelMax: 16,
    mbstdGroupSize: 4,
    mbstdNumFeatures: 1,
    fromRgbActivation: "lrelu",
  },
};

setThreads();
manualSeed(0);
const loss = createLoss("hinge");
const G = createGenerator(description);
const D = createDiscriminator(description);
const [flatG, flatD] = [new FlatParameters(G), new FlatParameters(D)];
const adam = { lr: 0.002, beta1: 0, beta2: 0.99, eps: 1e-8 };
const [adamG, adamD] = [new Adam(flatG, adam), new Adam(flatD, adam)];

const fakes = () => G.synthesize(G.map(randn([batch, G.zDim]), null), { noiseMode: "random" });

for (let step = 1; step <= steps; step++) {
  scope(() => {
    const reals = randn([batch, 3, 8, 8]).mul(0.1).add(0.5).setRequiresGrad(true); // bright squares
    const logits = D.forward(reals, null);
    const fake = D.forward(noGrad(fakes), null);
    const penalty = r1Penalty(logits, reals).mul(gamma / 2); // [N]
    const lossD = loss.discriminator({ real: logits, fake }).mean().add(penalty.mean());
    backward(lossD, flatD.parameters);
    adamD.step();

    const lossG = loss.generator({ fake: D.forward(fakes(), null) }).mean();
    backward(lossG, flatG.parameters);
    adamG.step();
    if (step === 1 || step === steps)
      console.log(`step ${step}: loss of D ${lossD.item().toFixed(3)}, of G ${lossG.item().toFixed(3)}`);
  });
}
const brightness = scope(() => noGrad(fakes).mean().item());
console.log(`mean of the fakes ${brightness.toFixed(2)}, of the reals 0.50`);
