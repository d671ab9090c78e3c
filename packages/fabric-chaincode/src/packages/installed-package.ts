/** A package that a peer has on its disk. */
export interface InstalledPackage {
  /** `label:hash`: what organisations approve, and under which its chaincode registers. */
  readonly packageId: string
  /** What whoever made it calls it. */
  readonly label: string
}

/** What is installed on a peer. */
export interface InstalledPackages {
  /** In the order of their ids. */
  list(): readonly InstalledPackage[]
}

/** Installs packages. */
export interface PackageInstaller extends InstalledPackages {
  /**
   * Keeps a package, and makes it ready to run.
   * @param source - The package as a file.
   * @throws KumikoError `fabric-chaincode/bad-package`, `fabric-chaincode/installed` where it is installed already, `fabric-chaincode/not-built`;
   * with Fabric's words, for clients.
   */
  install(source: Uint8Array): Promise<InstalledPackage>
  /** The package as it was installed; undefined where it is not. */
  load(packageId: string): Promise<Uint8Array | undefined>
}
