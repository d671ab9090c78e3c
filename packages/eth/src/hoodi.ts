import { bootnodesV5 } from './bootnodes-v5.ts'
import type { EthereumNetwork } from './network.ts'

/** The test network for validators and staking. */
export const hoodi: EthereumNetwork = {
  name: 'hoodi',
  chainId: 560_048,
  genesisHash: 'bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b',
  genesisTime: 1_742_212_800,
  forks: [
    { name: 'Prague', time: 1_742_999_832 },
    { name: 'Osaka', time: 1_761_677_592 },
    { name: 'BPO1', time: 1_762_365_720 },
    { name: 'BPO2', time: 1_762_955_544 },
  ],
  bootnodes: [
    'enode://2112dd3839dd752813d4df7f40936f06829fc54c0e051a93967c26e5f5d27d99d886b57b4ffcc3c475e930ec9e79c56ef1dbb7d86ca5ee83a9d2ccf36e5c240c@134.209.138.84:30303',
    'enode://60203fcb3524e07c5df60a14ae1c9c5b24023ea5d47463dfae051d2c9f3219f309657537576090ca0ae641f73d419f53d8e8000d7a464319d4784acd7d2abc41@209.38.124.160:30303',
    'enode://8ae4a48101b2299597341263da0deb47cc38aa4d3ef4b7430b897d49bfa10eb1ccfe1655679b1ed46928ef177fbf21b86837bd724400196c508427a6f41602cd@134.199.184.23:30303',
  ],
  bootnodesV5,
  dnsTrees: ['enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@all.hoodi.ethdisco.net'],
}
