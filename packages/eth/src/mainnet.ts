import { bootnodesV5 } from './bootnodes-v5.ts'
import type { EthereumNetwork } from './network.ts'

/** Ethereum's main network. */
export const mainnet: EthereumNetwork = {
  name: 'mainnet',
  chainId: 1,
  genesisHash: 'd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3',
  genesisTime: 0,
  forks: [
    { name: 'Homestead', block: 1_150_000 },
    { name: 'DAOFork', block: 1_920_000 },
    { name: 'EIP150', block: 2_463_000 },
    { name: 'EIP155', block: 2_675_000 },
    { name: 'EIP158', block: 2_675_000 },
    { name: 'Byzantium', block: 4_370_000 },
    { name: 'Constantinople', block: 7_280_000 },
    { name: 'Petersburg', block: 7_280_000 },
    { name: 'Istanbul', block: 9_069_000 },
    { name: 'MuirGlacier', block: 9_200_000 },
    { name: 'Berlin', block: 12_244_000 },
    { name: 'London', block: 12_965_000 },
    { name: 'ArrowGlacier', block: 13_773_000 },
    { name: 'GrayGlacier', block: 15_050_000 },
    { name: 'Shanghai', time: 1_681_338_455 },
    { name: 'Cancun', time: 1_710_338_135 },
    { name: 'Prague', time: 1_746_612_311 },
    { name: 'Osaka', time: 1_764_798_551 },
    { name: 'BPO1', time: 1_765_290_071 },
    { name: 'BPO2', time: 1_767_747_671 },
  ],
  bootnodes: [
    'enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@18.138.108.67:30303',
    'enode://22a8232c3abc76a16ae9d6c3b164f98775fe226f0917b0ca871128a74a8e9630b458460865bab457221f1d448dd9791d24c4e5d88786180ac185df813a68d4de@3.209.45.79:30303',
    'enode://2b252ab6a1d0f971d9722cb839a42cb81db019ba44c08754628ab4a823487071b5695317c8ccd085219c3a03af063495b2f1da8d18218da2d6a82981b45e6ffc@65.108.70.101:30303',
    'enode://4aeb4ab6c14b23e2c4cfdce879c04b0748a20d8e9b59e25ded2a08143e265c6c25936e74cbc8e641e3312ca288673d91f2f93f8e277de3cfa444ecdaaf982052@157.90.35.166:30303',
  ],
  bootnodesV5,
  dnsTrees: ['enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@all.mainnet.ethdisco.net'],
}
