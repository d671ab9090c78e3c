import { bootnodesV5 } from './bootnodes-v5.ts'
import type { EthereumNetwork } from './network.ts'

/** The test network for applications. */
export const sepolia: EthereumNetwork = {
  name: 'sepolia',
  chainId: 11_155_111,
  genesisHash: '25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9',
  genesisTime: 1_633_267_481,
  forks: [
    { name: 'MergeNetsplit', block: 1_735_371 },
    { name: 'Shanghai', time: 1_677_557_088 },
    { name: 'Cancun', time: 1_706_655_072 },
    { name: 'Prague', time: 1_741_159_776 },
    { name: 'Osaka', time: 1_760_427_360 },
    { name: 'BPO1', time: 1_761_017_184 },
    { name: 'BPO2', time: 1_761_607_008 },
  ],
  bootnodes: [
    'enode://4e5e92199ee224a01932a377160aa432f31d0b351f84ab413a8e0a42f4f36476f8fb1cbe914af0d9aef0d51665c214cf653c651c4bbd9d5550a934f241f1682b@138.197.51.181:30303',
    'enode://143e11fb766781d22d92a2e33f8f104cddae4411a122295ed1fdb6638de96a6ce65f5b7c964ba3763bba27961738fef7d3ecc739268f3e5e771fb4c87b6234ba@146.190.1.103:30303',
    'enode://8b61dc2d06c3f96fddcbebb0efb29d60d3598650275dc469c22229d3e5620369b0d3dedafd929835fe7f489618f19f456fe7c0df572bf2d914a9f4e006f783a9@170.64.250.88:30303',
    'enode://10d62eff032205fcef19497f35ca8477bea0eadfff6d769a147e895d8b2b8f8ae6341630c645c30f5df6e67547c03494ced3d9c5764e8622a26587b083b028e8@139.59.49.206:30303',
    'enode://9e9492e2e8836114cc75f5b929784f4f46c324ad01daf87d956f98b3b6c5fcba95524d6e5cf9861dc96a2c8a171ea7105bb554a197455058de185fa870970c7c@138.68.123.152:30303',
  ],
  bootnodesV5,
  dnsTrees: ['enrtree://AKA3AM6LPBYEUDMVNU3BSVQJ5AD45Y7YPOHJLEF6W26QOE4VTUDPE@all.sepolia.ethdisco.net'],
}
