"""What SageMaker's machines cost: from AWS's price list where it can be asked, else from a dated table.

AWS Price List API, `GetProducts` of the service AmazonSageMaker: each item of `PriceList` is a product as JSON, with
`product.attributes.usagetype` (`USE1-Train:ml.m5.xlarge`), `terms.OnDemand.*.priceDimensions.*.pricePerUnit.USD` and
`publicationDate`. It has an endpoint in three regions, which know the prices of all, and none for China and GovCloud.

The table is prices.json: what is known of some regions and types, each price with its date and where it was read. What
is not in it is None, never a guess from another region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launcher.errors import UserError

if TYPE_CHECKING:
    from launcher.cloud.aws import Aws

TRAINING, HOSTING, TRANSFORM = "training", "hosting", "transform"
TABLE = Path(__file__).with_name("prices.json")
_USAGE = {TRAINING: "Train", HOSTING: "Host", TRANSFORM: "Tsform"}  # in a usage type
_ENDPOINTS = {"ap": "ap-south-1", "eu": "eu-central-1"}  # the nearest; us-east-1 for the others
_NO_LIST = re.compile(r"(cn|us-gov|us-iso\w*)-.*")
_PAGES = 5


@dataclass(frozen=True)
class Price:
    """What an instance costs in a region.

    Attributes:
        instance_type, region: whose price it is.
        per_hour: US dollars an instance-hour on demand, without its disk; None where it is not known.
        disk: US dollars a GB-month of its EBS volume; None where it is not known.
        source: where the price is from.
        date: when it was published, as `2026-09-25` or `2026-09`; "" without a price.
        why_table: why AWS's price list did not give it; "" where it did.
    """

    instance_type: str
    region: str
    per_hour: float | None
    disk: float | None
    source: str
    date: str
    why_table: str = ""


def training(instance_type: str, region: str, aws: Aws | None = None) -> Price:
    """The price of an instance of a training job. Given an account, it asks AWS's price list, for some seconds."""
    return _instance(TRAINING, instance_type, region, aws)


def hosting(instance_type: str, region: str, aws: Aws | None = None) -> Price:
    """The price of an instance of a real-time or asynchronous endpoint; else as `training`."""
    return _instance(HOSTING, instance_type, region, aws)


def transform(instance_type: str, region: str, aws: Aws | None = None) -> Price:
    """The price of an instance of a batch transform, which only AWS's price list knows; else as `training`."""
    return _instance(TRANSFORM, instance_type, region, aws)


@lru_cache(maxsize=64)  # a list of endpoints asks again and again
def _instance(use: str, instance_type: str, region: str, aws: Aws | None) -> Price:
    why = f"AWS's price list has no {instance_type} for {use} in {region}"
    try:
        prices = _List(aws, region)
        listed = prices.find(f"{_USAGE[use]}:{instance_type}", instanceName=instance_type)
        disk = listed and prices.find(f"{_USAGE[use]}:VolumeUsage.gp2", operation="CreateVolume-Gp2")
    except UserError as error:
        listed, why = None, str(error)
    if not listed:
        return _of_table(use, instance_type, region, why)
    return Price(instance_type, region, listed[0], disk and disk[0], "AWS's price list", listed[1])


def _of_table(use: str, instance_type: str, region: str, why: str) -> Price:
    table = _table()
    price, source = table.get(use, {}).get(region, {}).get(instance_type, (None, ""))
    disk, _ = table["disk"].get(use, {}).get(region, (None, ""))
    known = table["sources"].get(source, {"what": "", "date": ""})
    return Price(instance_type, region, price, disk, known["what"], known["date"], why)


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(TABLE.read_text("utf-8"))
    return content


class _List:
    """AWS's price list of SageMaker in one region; UserError where it cannot be asked, and why."""

    def __init__(self, aws: Aws | None, region: str) -> None:
        if aws is None:
            raise UserError("AWS's price list was not asked")
        if _NO_LIST.fullmatch(region):
            raise UserError(f"AWS's price list does not have {region}")
        self._region = region
        self._client = aws.client("pricing", region=_ENDPOINTS.get(region[:2], "us-east-1"), hurried=True)

    def find(self, usage: str, **attributes: str) -> tuple[float, str] | None:
        """US dollars a unit and the date of publication of the product with that usage type and those attributes.

        Args:
            usage: without the region's prefix: `Train:ml.m5.xlarge`.
            attributes: by which AWS is to choose products; a name that it does not have finds none.
        """
        from launcher.cloud.aws import readable

        filters = [
            {"Type": "TERM_MATCH", "Field": name, "Value": value}
            for name, value in {"regionCode": self._region, **attributes}.items()
        ]
        with readable("AWS's price list"):
            pages = self._client.get_paginator("get_products").paginate(
                ServiceCode="AmazonSageMaker", Filters=filters, PaginationConfig={"MaxItems": 100 * _PAGES}
            )
            texts = [text for page in pages for text in page["PriceList"]]
        try:
            found = [_on_demand(product) for product in map(json.loads, texts) if _has_usage(product, usage)]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError("AWS's price list answers in a form that this glaunch does not know") from None
        return max(found, default=None)


def _has_usage(product: Mapping[str, Any], usage: str) -> bool:
    return re.fullmatch(rf"([A-Z0-9]+-)?{re.escape(usage)}", product["product"]["attributes"]["usagetype"]) is not None


def _on_demand(product: Mapping[str, Any]) -> tuple[float, str]:
    """The dearest of its tiers, which leaves out a free one."""
    amounts = [
        float(tier["pricePerUnit"]["USD"])
        for term in product["terms"]["OnDemand"].values()
        for tier in term["priceDimensions"].values()
    ]
    return max(amounts), product["publicationDate"][:10]
