import 'reflect-metadata'
import { Context, Contract, Object as DataType, Property, Returns, Transaction } from 'fabric-contract-api'

class Extra {
  id = ''
  value = 0
}

class Asset {
  id = ''
  name = ''
  value = 0
  extra: Extra = new Extra()
}

/** A contract that says which types its transactions take and give. */
export class AnnotatedContract extends Contract {
  async createAsset({ stub }: Context, id: string, name: string, value: number, extraId: string, extraValue: number): Promise<void> {
    await stub.putState(id, Buffer.from(JSON.stringify({ id, name, value, extra: { id: extraId, value: extraValue } })))
  }

  async updateAsset(ctx: Context, asset: Asset): Promise<void> {
    const { id, name, extra } = await this.getAsset(ctx, asset.id)
    const changed = { id, name, value: asset.value, extra: { ...extra, value: asset.extra.value } }
    await ctx.stub.putState(id, Buffer.from(JSON.stringify(changed)))
  }

  async getAsset({ stub }: Context, id: string): Promise<Asset> {
    return JSON.parse(Buffer.from(await stub.getState(id)).toString())
  }
}

// What a compiler makes of decorators, which Node does not read.
typed(Extra, { id: String, value: Number })
typed(Asset, { id: String, name: String, value: Number, extra: Extra })
transaction('createAsset', true, [String, String, Number, String, Number])
transaction('updateAsset', true, [Asset])
transaction('getAsset', false, [String])
Returns('Asset')(AnnotatedContract.prototype, 'getAsset')

function typed(type: new () => object, properties: Readonly<Record<string, unknown>>): void {
  for (const [name, of] of Object.entries(properties)) {
    Reflect.defineMetadata('design:type', of, type.prototype, name)
    Property()(type.prototype, name)
  }
  DataType()(type)
}

function transaction(name: string, isSubmitted: boolean, types: readonly unknown[]): void {
  Reflect.defineMetadata('design:paramtypes', [Context, ...types], AnnotatedContract.prototype, name)
  Transaction(isSubmitted)(AnnotatedContract.prototype, name)
}
